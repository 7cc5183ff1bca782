"""How a model reads an answer: what others have written stands between marks, and hides nothing.

A mark is made of the content with a key that only this process knows, so that no content can
close it, and equal errors stay equal. Programs read the structured content of an answer, which is
the data itself.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from secrets import token_bytes
from typing import Any, Final

from servicetsunami.domain.redaction import redacted
from servicetsunami.domain.visible import visible
from servicetsunami.errors import ServerError

_MARK_BYTES: Final = 4
_KEY_BYTES: Final = 32


class Marking:
    """Words answers and errors; `secrets` are values that no error may show.

    Without `marks`, the text of an answer is plain JSON.
    """

    def __init__(self, *, marks: bool = True, secrets: tuple[str, ...] = ()) -> None:
        self._marks = marks
        self._secrets = secrets
        self._key = token_bytes(_KEY_BYTES)

    def answer(self, content: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
        """The text of an answer: its JSON, in which hidden characters are escapes."""
        # Indented JSON costs a model a third more tokens for the same content.
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return self._between_marks(visible(text))

    def text(self, text: str) -> str:
        """A text that others have written, such as a notebook; without marks, as it was written."""
        return self._between_marks(visible(text)) if self._marks else text

    def mime_type(self, of_content: str) -> str:
        """What type a resource is of when its content, of that type, stands between marks."""
        is_marked_json = self._marks and of_content == "application/json"
        return "text/plain" if is_marked_json else of_content

    def error(self, error: ServerError) -> str:
        """What went wrong, in which others' words may be quoted; what to do next is ours."""
        what, next_step = (
            visible(redacted(part, self._secrets)) for part in (error.what, error.next_step)
        )
        return f"{self._between_marks(what)} {next_step}"

    def plain(self, text: str) -> str:
        """A text of the server that may quote an argument."""
        return visible(redacted(text, self._secrets))

    def _between_marks(self, text: str) -> str:
        if not self._marks:
            return text
        content = text.encode("utf-8", "surrogatepass")
        mark = "data-" + blake2b(content, digest_size=_MARK_BYTES, key=self._key).hexdigest()
        return f"<{mark}>{text}</{mark}>"
