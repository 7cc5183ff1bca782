"""Finds out how a text is encoded, and rewrites it as plain UTF-8 by streaming."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from servicetsunami.engines.files.detect import looks_like_utf16

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK_BYTES = 1024**2
_WESTERN = "windows-1252"
# What charset-normalizer names for Western text is a matter of chance among many code pages
# that differ in few letters; of these only Central European ones are worth believing.
_CENTRAL = frozenset({"Polish", "Czech", "Slovak", "Hungarian", "Croatian", "Slovene", "Romanian"})
_NOT_LINES_OF_ASCII = (
    "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7",
    "cp037", "cp273", "cp500", "cp1026", "cp1140",
)  # fmt: skip
_COHERENCE_MIN = 0.3
_LETTERS_MIN = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """An encoding and how sure it is: `ascii_only` means that no byte has told anything."""

    name: str
    how: str
    ascii_only: bool = False

    @property
    def is_utf8(self) -> bool:
        """Whether the engine can read the bytes as they are."""
        return self.name in ("utf-8", "utf-8-sig")


def detect_encoding(blocks: Sequence[bytes]) -> Encoding:
    """Judge by blocks of a file, of which the first is its beginning and others start a line."""
    head = blocks[0]
    for mark, name in _BOMS:
        if head.startswith(mark):
            return Encoding(name=name, how="byte order mark")
    if wide := looks_like_utf16(head[:65536]):
        return Encoding(name=wide, how="every other byte is null")
    sample = b"\n".join(blocks)
    if sample.isascii():
        return Encoding(name="utf-8", how="plain ASCII in the sample", ascii_only=True)
    if _is_mostly_utf8(blocks):
        return Encoding(name="utf-8", how="valid in the sample")
    return guess_legacy(sample)


def _is_mostly_utf8(blocks: Sequence[bytes]) -> bool:
    """A few bad bytes in good UTF-8 are bad rows; many are another encoding."""
    good = bad = 0
    for block in blocks:
        text = block.decode("utf-8", errors="replace").rstrip("\ufffd")
        wrong = text.count("\ufffd")
        bad += wrong
        good += sum(1 for sign in text if sign > "\x7f") - wrong
    return bad == 0 or good > bad * 10


def guess_legacy(sample: bytes) -> Encoding:
    """Guess the encoding of bytes that are not UTF-8."""
    from charset_normalizer import from_bytes  # noqa: PLC0415

    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    best = from_bytes(
        b"\n".join(lines[:2000])[:200_000], cp_exclusion=list(_NOT_LINES_OF_ASCII)
    ).best()
    if best is None or best.encoding in ("utf_8", "ascii"):
        return Encoding(name=_WESTERN, how="not UTF-8; assumed")
    beyond = sum(1 for byte in b"".join(lines) if byte > 127)
    sure = beyond >= _LETTERS_MIN and best.coherence > _COHERENCE_MIN
    if _is_latin_script(lines) and not (sure and best.language in _CENTRAL):
        return Encoding(name=_WESTERN, how="not UTF-8; Latin letters")
    return Encoding(name=best.encoding, how=f"guessed ({best.language})")


def _is_latin_script(lines: Sequence[bytes]) -> bool:
    """Letters beyond ASCII are rare among Latin letters, and most of every other script."""
    text = b"".join(lines)
    beyond = sum(1 for byte in text if byte > 127)
    return beyond < sum(1 for byte in text if chr(byte).isascii() and chr(byte).isalpha())


def rewrite_as_utf8(source: Path, target: Path, *, encoding: str) -> dict[str, int]:
    r"""Write the text as UTF-8 with `\n` line ends and without null characters.

    Gives how many characters could not be decoded (they became U+FFFD) and how many nulls were
    dropped, as `undecodable` and `nulls`.
    """
    reader = codecs.getincrementaldecoder(_forgiving(encoding))(errors="replace")
    counts = {"undecodable": 0, "nulls": 0}
    pending_return = ""
    with source.open("rb") as file, target.open("wb") as out:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            text = pending_return + reader.decode(chunk, final=not chunk)
            pending_return = "\r" if chunk and text.endswith("\r") else ""
            text = text[: len(text) - len(pending_return)]
            counts["undecodable"] += text.count("\ufffd")
            counts["nulls"] += text.count("\x00")
            text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
            out.write(text.encode("utf-8", errors="replace"))
            if not chunk:
                return counts


def _forgiving(encoding: str) -> str:
    # A byte order mark must not become part of the first column's name.
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
