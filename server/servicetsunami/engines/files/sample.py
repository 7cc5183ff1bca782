"""Takes whole lines from the beginning of a file, and from places spread over the rest."""

from dataclasses import dataclass
from pathlib import Path

from servicetsunami.errors import LimitExceeded

HEAD_BYTES = 2 * 1024**2
LINE_BYTES_MAX = 8 * 1024**2
_SPREAD_BLOCKS = 16
_SPREAD_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Blocks of whole lines; `complete` if together they are the file."""

    blocks: tuple[bytes, ...]
    complete: bool
    size_bytes: int


def take_sample(path: Path) -> Sample:
    """Read at most about 4 MB of the file; raises LimitExceeded for an endless first line."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if len(head) == size:
            return Sample(blocks=(head,), complete=True, size_bytes=size)
        if not _has_line_end(head):
            head += file.read(LINE_BYTES_MAX)
        if not _has_line_end(head) and len(head) < size:
            raise LimitExceeded(
                f"The first line is longer than {LINE_BYTES_MAX:,} bytes.",
                "Check that the file has line ends, and that its format was recognised.",
            )
        blocks = [_until_last_line(head)]
        step = (size - HEAD_BYTES) // _SPREAD_BLOCKS
        for number in range(_SPREAD_BLOCKS if step > _SPREAD_BYTES else 0):
            file.seek(HEAD_BYTES + number * step)
            blocks.append(_inner_lines(file.read(_SPREAD_BYTES)))
    return Sample(blocks=tuple(blocks), complete=False, size_bytes=size)


def _has_line_end(data: bytes) -> bool:
    return b"\n" in data or b"\r" in data


def _until_last_line(data: bytes) -> bytes:
    end = max(data.rfind(b"\n"), data.rfind(b"\r"))
    return data[: end + 1] if end >= 0 else data


def _inner_lines(data: bytes) -> bytes:
    """Drop the line that a block starts within, and the one it ends within."""
    starts = [place for place in (data.find(b"\n"), data.find(b"\r")) if place >= 0]
    return _until_last_line(data[min(starts) + 1 :]) if starts else b""
