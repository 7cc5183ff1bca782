"""Takes files that come with a request: onto the disk as they come, and gone when they are read."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from anyio import AsyncFile, CancelScope, to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from servicetsunami.errors import Cancelled, LimitExceeded
from servicetsunami.transport.problems import InvalidArguments

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

PREFIX: Final = "upload-"
"""What the folders of uploads begin with, so that those of killed servers are found."""
_FIELD_BYTES_MAX: Final = 64 * 1024
_FIELDS_MAX: Final = 200
_FILE: Final = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file on the disk with the fields that came along, each as often as it came."""

    path: Path
    filename: str
    fields: dict[str, list[str]]

    async def remove(self) -> None:
        """Take the file away, whatever happens meanwhile."""
        await _remove(self.path.parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """Keeps files in a folder, while they are read."""

    folder: Path

    async def take(self, request: Request) -> Upload:
        """The one file of a multipart request, which the caller has to remove.

        Raises InvalidArguments for what is no such request, Cancelled where it breaks off, and
        LimitExceeded where the disk has no room.
        """
        boundary = _boundary(request)
        place = await to_thread.run_sync(self._place)
        try:
            path = place / _FILE
            async with await anyio.open_file(path, "wb") as file:
                form = await _read(request.stream(), boundary, file)
            if form.filename is None:
                raise InvalidArguments("The form has no `file`.", "Send one, with its name.")
        except BaseException as error:
            await _remove(place)
            if isinstance(error, OSError):
                raise LimitExceeded(
                    f"The file could not be kept: {error.strerror}.", "Make room, or send less."
                ) from error
            raise
        return Upload(path=path, filename=form.filename, fields=form.fields)

    def _place(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self.folder, prefix=PREFIX))


async def _remove(place: Path) -> None:
    with CancelScope(shield=True):
        await to_thread.run_sync(partial(shutil.rmtree, place, ignore_errors=True))


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidArguments(
            "The request is no form with a file.", "Send it as multipart/form-data."
        )
    return boundary


async def _read(stream: AsyncIterator[bytes], boundary: bytes, file: AsyncFile[bytes]) -> "_Form":
    """Have the parts of the form told apart, and the file's written as they come."""
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for piece in stream:
            parser.write(piece)
            if form.to_write:
                await file.write(bytes(form.to_write))
                form.to_write.clear()
        parser.finalize()
    except FormParserError as error:
        raise InvalidArguments("The form cannot be read.") from error
    except ClientDisconnect as error:
        raise Cancelled("The upload broke off.", "Nothing was stored: send it again.") from error
    return form


@dataclass(slots=True)
class _Form:
    """What the parser tells of a form, part by part."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    filename: str | None = None
    to_write: bytearray = field(default_factory=bytearray)
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""
    _name: str = ""
    _text: bytearray = field(default_factory=bytearray)
    _is_file: bool = False
    _parts: int = 0

    def callbacks(self) -> "MultipartCallbacks":
        """What the parser is to call."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_ended,
            "on_headers_finished": self._headers_ended,
            "on_part_data": self._take,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _FIELDS_MAX:
            raise InvalidArguments(f"The form has more than {_FIELDS_MAX} fields.")
        self._disposition, self._name, self._is_file = b"", "", False
        self._text.clear()

    def _header_ended(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_ended(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = _text(options.get(b"name", b""))
        self._is_file = self._name == _FILE
        if self._is_file:
            if self.filename is not None:
                raise InvalidArguments("The form has more than one `file`.", "Send one at a time.")
            self.filename = _text(options.get(b"filename", b""))

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.to_write.extend(data[start:end])
            return
        self._text.extend(data[start:end])
        if len(self._text) > _FIELD_BYTES_MAX:
            raise InvalidArguments(f"The field {self._name[:100]!r} is too long.")

    def _end(self) -> None:
        if not self._is_file:
            self.fields.setdefault(self._name, []).append(_text(bytes(self._text)))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidArguments("The form is not in UTF-8.") from error
