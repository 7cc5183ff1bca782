"""The reference says what the program says."""

import runpy
from pathlib import Path

import pytest

from tests.docs.pages import DOCS

PAGES = runpy.run_path(str(DOCS / "generate.py"))["PAGES"]


@pytest.mark.parametrize("path", list(PAGES), ids=lambda path: path.name)
def test_a_generated_page_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path](), "run: python docs/generate.py"
