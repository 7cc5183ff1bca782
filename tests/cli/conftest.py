"""Commands of tests find no settings in the environment but those that a test gives them."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SERVICETSUNAMI_"):
            monkeypatch.delenv(name)
