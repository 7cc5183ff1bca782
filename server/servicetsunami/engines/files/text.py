"""Makes any text file one that the engine can read: UTF-8, one kind of line end, a sample."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from servicetsunami.engines.files.encodings import (
    Encoding,
    detect_encoding,
    rewrite_as_utf8,
)
from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.report import Corrections
from servicetsunami.engines.files.sample import Sample, take_sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A readable text file. `blocks` are decoded pieces of whole lines, the first the beginning."""

    path: Path
    blocks: tuple[str, ...]
    complete: bool
    size_bytes: int
    encoding: Encoding
    newline: bytes
    warnings: tuple[str, ...]


def prepare_text(
    path: Path, options: ReadOptions, corrections: Corrections, *, directory: Path
) -> Text:
    """Judge encoding and line ends; rewrite the file in `directory` where the engine needs it."""
    sample = take_sample(path)
    encoding = _encoding(sample, options, corrections)
    warnings: list[str] = []
    mixed = _has_mixed_line_ends(sample) or corrections.normalise
    if mixed and encoding.is_utf8:
        warnings.append("Line ends are mixed: all kinds were taken as line ends.")
    has_nulls = any(b"\x00" in block for block in sample.blocks)
    if not encoding.is_utf8 or mixed or has_nulls:
        target = directory / "text"
        counts = rewrite_as_utf8(path, target, encoding=encoding.name)
        warnings += _losses(counts, encoding)
        path, sample = target, take_sample(target)
    if not encoding.is_utf8 and encoding.how.startswith(("not", "guess")):
        warnings.append(
            f"The encoding was taken as {encoding.name} ({encoding.how}): check letters with "
            "accents, or pass the option encoding."
        )
    return Text(
        path=path,
        blocks=tuple(
            block.decode("utf-8", errors="replace").removeprefix("\ufeff")
            for block in sample.blocks
        ),
        complete=sample.complete,
        size_bytes=sample.size_bytes,
        encoding=encoding,
        newline=b"\n" if b"\n" in sample.blocks[0] or b"\r" not in sample.blocks[0] else b"\r",
        warnings=tuple(warnings),
    )


def _encoding(sample: Sample, options: ReadOptions, corrections: Corrections) -> Encoding:
    if options.encoding:
        name = "utf-8" if options.encoding.lower() in ("utf8", "utf-8-sig") else options.encoding
        return Encoding(name=name.lower(), how="given by you")
    if corrections.encoding:
        return Encoding(name=corrections.encoding, how="learnt from later rows")
    return detect_encoding(sample.blocks)


def _has_mixed_line_ends(sample: Sample) -> bool:
    pairs = feeds = returns = 0
    for block in sample.blocks:
        pairs_here = block.count(b"\r\n")
        pairs += pairs_here
        feeds += block.count(b"\n") - pairs_here
        returns += len(re.findall(rb"\r(?=[^\n])", block))
    return sum(1 for count in (pairs, feeds, returns) if count) > 1


def _losses(counts: dict[str, int], encoding: Encoding) -> list[str]:
    losses: list[str] = []
    if counts["undecodable"]:
        losses.append(
            f"{counts['undecodable']:,} characters are not valid {encoding.name}: "
            "each became the sign U+FFFD."
        )
    if counts["nulls"]:
        losses.append(f"{counts['nulls']:,} null characters were dropped.")
    return losses
