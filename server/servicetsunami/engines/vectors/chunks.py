"""Cuts long texts into pieces that overlap, at the borders of sentences where there are any."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

CHUNK_CHARS: Final = 1_000
"""About as much as the default model reads of a text: 256 tokens."""
OVERLAP_CHARS: Final = 150
_HEADING_CHARS: Final = 100
_BLOCK_CHARS: Final = 20_000
"""Cut before, since the time for a text without any border grows with its square."""


def cut(text: str) -> list[str]:
    """The pieces of a text, in their order; one for a text that is short enough."""
    text = text.strip()
    if len(text) <= CHUNK_CHARS:
        return [text] if text else []
    return _joined(piece for block in _blocks(text) for piece in _splitter().chunks(block))


def _joined(pieces: Iterable[str]) -> list[str]:
    """With a heading in one piece with what it is the heading of."""
    found: list[str] = []
    for piece in pieces:
        if found and len(found[-1]) < _HEADING_CHARS:
            found[-1] += f"\n{piece}"
        else:
            found.append(piece)
    return found


def _blocks(text: str) -> list[str]:
    found = []
    at = 0
    while len(text) - at > _BLOCK_CHARS:
        end = max(text.rfind(border, at, at + _BLOCK_CHARS) for border in ("\n", ". ", " "))
        end = end + 1 if end > at else at + _BLOCK_CHARS
        found.append(text[at:end])
        at = end
    found.append(text[at:])
    return found


@cache
def _splitter() -> Any:  # noqa: ANN401 - of a library without types
    from semantic_text_splitter import TextSplitter  # noqa: PLC0415 - only where needed

    return TextSplitter(CHUNK_CHARS, overlap=OVERLAP_CHARS)
