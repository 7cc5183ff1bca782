"""The child process that reads a document: text, Markdown, HTML or PDF, in pieces.

Parsers of files that anybody may have written are kept out of the server: a file that makes one
loop or grow ends this child alone.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.engines.vectors.chunks import cut
from servicetsunami.engines.workers.serving import Request, serve
from servicetsunami.errors import InvalidInput, LimitExceeded

if TYPE_CHECKING:
    from servicetsunami.engines.workers.channel import Channel

FILE_BYTES_MAX: Final = 64 * 2**20
_CHARS_MAX: Final = 2_000_000
_UNSEEN: Final = "script, style, noscript, template, head, svg"
_BLOCKS: Final = "p, div, li, tr, h1, h2, h3, h4, h5, h6, br, section, article, pre, blockquote, dt"

Page = tuple[int | None, str]
"""The number of a page, where a document has pages, and its text."""


def run(channel: "Channel", _options: Mapping[str, Any]) -> None:
    """Read documents until the server closes the channel."""
    serve(channel, {"read": read})


def read(request: Request) -> dict[str, Any]:
    """The pieces of the file at `path`, each with its text and, in a PDF, its page.

    Raises InvalidInput for a file that is no document of its kind, LimitExceeded for a long one.
    """
    path = Path(request.arguments["path"])
    if path.stat().st_size > FILE_BYTES_MAX:
        raise LimitExceeded(
            f"{path.name} is larger than {FILE_BYTES_MAX // 2**20} MB.", "Split it into files."
        )
    pieces: list[dict[str, Any]] = []
    chars = 0
    for number, text in READERS[path.suffix.lower()](path):
        chars += len(text)
        if chars > _CHARS_MAX:
            raise LimitExceeded(
                f"{path.name} has more than {_CHARS_MAX:,} characters.", "Split it into files."
            )
        page = {} if number is None else {"page": number}
        pieces += [{"text": piece, **page} for piece in cut(_storable(text))]
    return {"pieces": pieces}


def _text(path: Path) -> Iterable[Page]:
    from servicetsunami.engines.files.encodings import detect_encoding  # noqa: PLC0415 - for this

    content = path.read_bytes()
    encoding = detect_encoding([content[:_CHARS_MAX]])
    yield None, content.decode(encoding.name, errors="replace")


def _html(path: Path) -> Iterable[Page]:
    """What a reader sees of a page: its title and its text, a line for each block."""
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - only where needed

    [(_, text)] = _text(path)
    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    heading = title.text(strip=True) + "\n" if title is not None else ""
    for unseen in tree.css(_UNSEEN):
        unseen.decompose()
    for block in tree.css(_BLOCKS):
        block.insert_after("\n")
    body = tree.body
    lines = (" ".join(line.split()) for line in (body.text() if body else "").splitlines())
    yield None, heading + "\n".join(line for line in lines if line)


def _pdf(path: Path) -> Iterable[Page]:
    from pypdf import PdfReader  # noqa: PLC0415 - heavy
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise InvalidInput(f"{path.name} asks for a password.", "Save it without one.")
        found = [(number, page.extract_text()) for number, page in enumerate(reader.pages, 1)]
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # A broken file makes the parser stumble in many ways.
        raise InvalidInput(
            f"{path.name} cannot be read as PDF: {error}.", "Save it again, or give its text."
        ) from error
    if not any(text.strip() for _, text in found):
        raise InvalidInput(
            f"{path.name} has no text: its pages are pictures.", "Have text recognised in it first."
        )
    yield from found


def _storable(text: str) -> str:
    """Without what neither tables nor JSON can hold."""
    return text.replace("\0", "").encode(errors="replace").decode()


READERS: Final[Mapping[str, Callable[[Path], Iterable[Page]]]] = {
    ".txt": _text,
    ".text": _text,
    ".md": _text,
    ".markdown": _text,
    ".rst": _text,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
}
"""By what the name of a file ends with."""
