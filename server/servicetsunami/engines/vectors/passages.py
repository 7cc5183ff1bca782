"""Finds the passage of each text that has the words of a query, and marks them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from servicetsunami.domain.index import TEXT

_CHARS: Final = 160
_WORDS: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Where in a text its first word of the query is, and itself with all of those **marked**."""

    at: int = 0
    marked: str | None = None


def passages(words: Any, texts: Sequence[str], query: str) -> list[Passage]:  # noqa: ANN401
    """The best passage of each text; `words` is the tantivy index that the texts are from."""
    import tantivy  # noqa: PLC0415 - only where needed

    plain = " ".join(_WORDS.findall(query))
    if not plain:
        return [Passage() for _ in texts]
    parsed, _ = words.parse_query_lenient(plain, [TEXT])
    snippets = tantivy.SnippetGenerator.create(words.searcher(), parsed, words.schema, TEXT)
    snippets.set_max_num_chars(_CHARS)
    return [
        _passage(snippets.snippet_from_doc(tantivy.Document(text=text)), text) for text in texts
    ]


def _passage(snippet: Any, text: str) -> Passage:  # noqa: ANN401 - of a library without types
    fragment, marks = snippet.fragment(), snippet.highlighted()
    if not marks:
        return Passage()
    content, parts, at = fragment.encode(), list[bytes](), 0
    for mark in marks:
        parts += [content[at : mark.start], b"**", content[mark.start : mark.end], b"**"]
        at = mark.end
    marked = b"".join([*parts, content[at:]]).decode(errors="replace")
    before = len(content[: marks[0].start].decode(errors="replace"))
    return Passage(at=max(text.find(fragment), 0) + before, marked=marked)
