"""Shows what hides in a text: characters that a person does not see, and a model reads.

Text that others have written may carry words in characters without a picture (tags, variation
selectors), or in another order than it shows (bidirectional controls).
"""

import re
from typing import Final

# Everything of the category Cf, other controls, separators, and letters that look like nothing.
_HIDDEN: Final = (
    "\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u0600-\u0605\u061c\u06dd"
    "\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
# These join letters and choose the looks of a sign; alone they are part of many scripts and signs.
_JOINING: Final = "\u200c\u200d\ufe00-\ufe0f"
_FOUND: Final = re.compile(
    f"[{_HIDDEN}]|[{_JOINING}](?=[{_JOINING}{_HIDDEN}])|(?<=[{_JOINING}{_HIDDEN}])[{_JOINING}]"
)


def visible(text: str) -> str:
    r"""The text with each hidden character as an escape of JSON, such as `\u202e`.

    Within JSON the escapes mean the very characters: whoever parses it gets the data unchanged.
    """
    return text if text.isascii() and text.isprintable() else _FOUND.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
