"""The pages of the documentation, as the tests look at them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RUNNABLE = "<!-- Every command and call on this page is run by a test. -->"

_FENCE = re.compile(r"^```(\w+)(?: +(\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the word behind it, and its text."""

    language: str
    word: str
    text: str


def all_pages() -> list[Path]:
    at_the_top = [ROOT / f"{name}.md" for name in ("README", "ARCHITECTURE", "CONTRIBUTING")]
    return [*at_the_top, ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def runnable_pages() -> list[Path]:
    return [page for page in all_pages() if RUNNABLE in page.read_text(encoding="utf-8")]


def blocks(page: Path) -> list[Block]:
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(language, word, text) for language, word, text in found]


def links(page: Path) -> Iterator[str]:
    """The links to other pages and places; not those to other sites."""
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def anchors(page: Path) -> set[str]:
    """The places of a page that a link can name, as GitHub makes them from headings."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}
