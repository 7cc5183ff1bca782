"""What a cell puts out: short for a model, and whole on disk."""

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from servicetsunami.engines.kernels.inside.display import EXIT, TABLE

_HEAD_CHARS: Final = 2_000
_TAIL_CHARS: Final = 2_000
_ROWS_SHOWN: Final = 20
_OUTPUTS_MAX: Final = 40
_WHOLE_BYTES_MAX: Final = 64 * 2**20
_MESSAGES_MAX: Final = 20_000
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_IMAGES: Final = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}


class _TooMuch(Exception):
    """The cell put out more than anybody would read."""


class _Text:
    """A text of which the beginning and the end are kept."""

    def __init__(self) -> None:
        self.head = ""
        self.tail = ""
        self.chars = 0

    def add(self, text: str) -> None:
        self.chars += len(text)
        room = _HEAD_CHARS - len(self.head)
        self.head += text[:room]
        self.tail = (self.tail + text[max(room, 0) :])[-_TAIL_CHARS:]

    @property
    def shown(self) -> str:
        hidden = self.chars - len(self.head) - len(self.tail)
        middle = f"\n... {hidden} characters not shown ...\n" if hidden else ""
        return self.head + middle + self.tail


class CellOutputs:
    """Collects what one cell puts out; `folder` gets the whole as `<index>.txt` and images."""

    def __init__(self, folder: Path, index: int) -> None:
        self._folder = folder
        self._index = index
        self._file: IO[str] | None = None
        self._bytes = 0
        self._messages = 0
        self._shown: list[dict[str, Any]] = []
        self._text: tuple[str, _Text] | None = None
        self._left_out = 0
        self._images = 0
        self.exit_value: str | None = None
        self.error: str | None = None
        self.too_much: str | None = None

    def add(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Take a message of Jupyter's iopub channel; False when there was too much already."""
        try:
            self._take(kind, content)
        except _TooMuch as error:
            self.too_much = str(error)
            return False
        except (KeyError, TypeError, ValueError, AttributeError):
            # Not made by our own code, but by a notebook that knows the protocol.
            self._left_out += 1
        return True

    def _take(self, kind: str, content: Mapping[str, Any]) -> None:
        self._messages += 1
        if self._messages > _MESSAGES_MAX:
            raise _TooMuch(f"More than {_MESSAGES_MAX} outputs came from one cell.")
        if kind == "stream":
            self._stream(str(content.get("name")), str(content.get("text", "")))
        elif kind in {"display_data", "execute_result", "update_display_data"}:
            self._display(content.get("data") or {})
        elif kind == "error":
            self.fail(
                str(content.get("ename")),
                str(content.get("evalue")),
                "\n".join(map(str, content.get("traceback") or ())),
            )

    def fail(self, name: str, value: str, traceback: str) -> None:
        """Take the error that ended the cell."""
        text = _ANSI.sub("", traceback)
        whole = _Text()
        whole.add(text)
        self._write(text + "\n")
        self.error = f"{name}: {value}"[:_HEAD_CHARS]
        self._show({"type": "error", "name": name, "text": whole.shown, "error": self.error})

    def end(self) -> list[dict[str, Any]]:
        """The outputs as they are shown; nothing can be added any more."""
        self._end_text()
        if self._left_out:
            self._shown.append({"type": "note", "text": f"{self._left_out} more outputs"})
        if self._file is not None:
            self._file.close()
            self._file = None
        return self._shown

    def _stream(self, name: str, text: str) -> None:
        text = _ANSI.sub("", text)
        self._write(text)
        if self._text is None or self._text[0] != name:
            self._end_text()
            self._text = (name, _Text())
        self._text[1].add(text)

    def _end_text(self) -> None:
        if self._text is not None:
            (name, text), self._text = self._text, None
            output: dict[str, Any] = {"type": "text", "name": name, "text": text.shown}
            self._show(output | ({"chars": text.chars} if text.chars > len(text.shown) else {}))

    def _display(self, data: Mapping[str, Any]) -> None:
        if EXIT in data:
            self.exit_value = str(data[EXIT]["value"])
            return
        self._end_text()
        image = next((mime for mime in _IMAGES if mime in data), None)
        if TABLE in data:
            self._table(data[TABLE])
        elif image is not None:
            self._image(image, str(data[image]))
        elif "text/html" in data:
            self._long("html", str(data["text/html"]))
        else:
            self._long("value", _ANSI.sub("", str(data.get("text/plain", ""))))

    def _table(self, content: Mapping[str, Any]) -> None:
        columns, rows = content["columns"], content["rows"]
        for row in [columns, *rows]:
            self._write("\t".join("" if cell is None else str(cell) for cell in row) + "\n")
        shown = {
            "type": "table",
            "columns": columns,
            "rows": rows[:_ROWS_SHOWN],
            "row_count": content["row_count"],
        }
        self._show(shown)

    def _image(self, mime: str, data: str) -> None:
        try:
            content = data.encode() if "svg" in mime else base64.b64decode(data)
        except (binascii.Error, ValueError):
            return
        self._count(len(content))
        name = f"{self._index}-{self._images}.{_IMAGES[mime]}"
        self._images += 1
        (self._folder / name).write_bytes(content)
        self._show({"type": "image", "mime": mime, "size_bytes": len(content), "file": name})

    def _long(self, kind: str, text: str) -> None:
        whole = _Text()
        whole.add(text)
        self._write(text + "\n")
        output: dict[str, Any] = {"type": kind, "text": whole.shown}
        self._show(output | ({"chars": whole.chars} if whole.chars > len(whole.shown) else {}))

    def _show(self, output: dict[str, Any]) -> None:
        # An error is always shown: it is what the reader has to act on.
        if len(self._shown) < _OUTPUTS_MAX or output["type"] == "error":
            self._shown.append(output)
        else:
            self._left_out += 1

    def _write(self, text: str) -> None:
        self._count(len(text))
        if self._file is None:
            path = self._folder / f"{self._index}.txt"
            self._file = path.open("w", encoding="utf-8", errors="replace")
        self._file.write(text)

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > _WHOLE_BYTES_MAX:
            raise _TooMuch(f"More than {_WHOLE_BYTES_MAX // 2**20} MiB came out of one cell.")
