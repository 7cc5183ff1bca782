"""What all tests share."""

from collections.abc import Iterator

import anyio
import pytest

from servicetsunami.engines.sql.engine import PRELOAD
from servicetsunami.engines.workers.zygote import Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """One template process for the apps of all tests: each of its own would cost a second."""
    zygote = Zygote(preload=PRELOAD)
    yield zygote
    anyio.run(zygote.aclose)
