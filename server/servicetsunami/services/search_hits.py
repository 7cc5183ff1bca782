"""How documents that were found are shown: long texts are cut, and all together bounded."""

import json
from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue

from servicetsunami.engines.sql.tokens import estimate

_TEXT_CHARS: Final = 800
_TEXT_CHARS_MIN: Final = 200
_TOKENS_MAX: Final = 4_000
"""As much of a model's attention all documents of an answer may take."""
_BYTES_ALWAYS: Final = 6_000
"""So little needs no count, which takes longer than to find it."""


def room_for(count: int) -> int:
    """How many characters of its text each of so many documents may show."""
    return max(_TEXT_CHARS_MIN, min(_TEXT_CHARS, 3 * _TOKENS_MAX // max(count, 1)))


def around(text: str, at: int, room: int) -> str:
    """As much of the text as there is room for, with the character at `at` in it."""
    if len(text) <= room:
        return text
    start = max(0, min(at - room // 4, len(text) - room))
    cut = text[start : start + room]
    return f"{'…' if start else ''}{cut}{'…' if start + room < len(text) else ''}"


def within_budget(hits: list[dict[str, JsonValue]]) -> list[dict[str, JsonValue]]:
    """The hits as they are shown; the last ones are left out where they would be too much."""
    texts = [json.dumps(hit, ensure_ascii=False, default=str) for hit in hits]
    if sum(len(text.encode()) for text in texts) <= _BYTES_ALWAYS:
        return hits
    shown, tokens = list[dict[str, JsonValue]](), 0
    for hit, text in zip(hits, texts, strict=True):
        tokens += estimate(text)
        if tokens > _TOKENS_MAX and shown:
            break
        shown.append(hit)
    return shown


def left_out(shown: Sequence[object], found: Sequence[object]) -> str | None:
    """What to do about documents that were too much; None where all are shown."""
    if len(shown) == len(found):
        return None
    more = len(found) - len(shown)
    return f"{more} more were too much for one answer: name fewer `columns`."
