"""Tells what a file is by its content; the name is only asked where content cannot tell."""

from pathlib import Path

from servicetsunami.engines.files.unpack import workbook_kind
from servicetsunami.errors import InvalidInput

_HEAD_BYTES = 64 * 1024
_REFUSED = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"SQLite format 3": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"FEA1": "a Feather file of version 1",
    b"PARE": "an encrypted Parquet file",
    b"\x7fELF": "a program",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"RDX": "an R data file",
    b"\x80\x04\x95": "a Python pickle",
}
_STRUCTURED = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow",
    b"\xd0\xcf\x11\xe0": "excel",
}
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# In text, control characters other than white space are rare; in anything else they are not.
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x1b\x01\x1f\x00"))
_CONTROL_SHARE_MAX = 0.01


def detect_format(path: Path, *, name: str) -> str:
    """Give csv, json, ndjson, parquet, arrow or excel for an unpacked file.

    `name` is what the file was called before it was unpacked. csv and ndjson stand for any
    text that the reader has still to look at. Raises InvalidInput for what is no data file.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise InvalidInput(f"{name} is empty.", "Check the file, and ingest it again.")
    for magic, what in _REFUSED.items():
        if head.startswith(magic):
            raise _refused(name, what)
    for magic, kind in _STRUCTURED.items():
        if head.startswith(magic):
            return kind
    if workbook_kind(path):
        return "excel"
    _refuse_binary(head, name=name)
    return _text_format(head)


def _refused(name: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"{name} is {what}, which cannot be ingested.",
        "Use CSV, TSV, JSON, NDJSON, Parquet, Arrow or Excel, plain or compressed.",
    )


def _refuse_binary(head: bytes, *, name: str) -> None:
    if head.startswith(_BOMS):
        return
    controls = len(head) - len(head.translate(None, _CONTROL))
    nulls = head.count(0)
    if controls > len(head) * _CONTROL_SHARE_MAX:
        raise _refused(name, "binary data of an unknown kind")
    if nulls > len(head) * _CONTROL_SHARE_MAX and not looks_like_utf16(head):
        raise _refused(name, "binary data with many null bytes")


def looks_like_utf16(head: bytes) -> str | None:
    """Give utf-16-le or utf-16-be for text whose every other byte is null, without a BOM."""
    sample = head[: len(head) // 2 * 2]
    half = len(sample) // 2
    if half < 2:
        return None
    low, high = sample[0::2].count(0), sample[1::2].count(0)
    if high > half * 0.7 and low < half * 0.05:
        return "utf-16-le"
    if low > half * 0.7 and high < half * 0.05:
        return "utf-16-be"
    return None


def _text_format(head: bytes) -> str:
    text = head
    for bom in _BOMS:
        text = text.removeprefix(bom)
    start = text.replace(b"\x00", b"").lstrip()
    if start[:1] == b"[" and start[1:].lstrip()[:1] in (b"{", b"]"):
        return "json"
    if start[:1] != b"{":
        return "csv"
    first_line = start.split(b"\n", 1)[0].rstrip()
    return "ndjson" if first_line.endswith(b"}") and b"\n" in start.rstrip() else "json"
