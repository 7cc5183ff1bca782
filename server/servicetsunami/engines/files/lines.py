"""Finds physical line numbers for rows of which only a place in the stream is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 4 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFinder:
    """Maps byte offsets and records to lines of a text file, numbered from 1."""

    path: Path
    newline: bytes
    skip_lines: int
    one_record_per_line: bool = False

    def of_offsets(self, offsets: Sequence[int]) -> dict[int, int]:
        """Give the line for each byte offset (from 0), reading no further than the last."""
        lines: dict[int, int] = {}
        line, place = 1, 0
        with self.path.open("rb") as file:
            for offset in sorted(set(offsets)):
                line += self._count(file, offset - place)
                place = offset
                # The engine points at the second half of a line end where that has two bytes.
                lines[offset] = line + (file.read(1) == self.newline)
                file.seek(offset)
        return lines

    def of_records(
        self, ordinals: Sequence[int], *, records: int, other_lines: Sequence[int]
    ) -> dict[int, int]:
        """Give the line for each record of the stream (from 0), or nothing where that is unsure.

        `records` counts all records, and `other_lines` are lines of those that are not in the
        stream. It is sure when every line is one record.
        """
        if not ordinals:
            return {}
        if self.one_record_per_line:
            return self._of_filled_lines(ordinals)
        if self._lines_in_file() - self.skip_lines != records:
            return {}
        lines: dict[int, int] = {}
        others = sorted(other_lines)
        passed = 0
        for ordinal in sorted(ordinals):
            line = self.skip_lines + 1 + ordinal + passed
            while passed < len(others) and others[passed] <= line:
                passed, line = passed + 1, line + 1
            lines[ordinal] = line
        return lines

    def _of_filled_lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        wanted, last = set(ordinals), max(ordinals)
        lines: dict[int, int] = {}
        ordinal = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip(b"\r\n"):
                    continue
                if ordinal in wanted:
                    lines[ordinal] = number
                if ordinal >= last:
                    break
                ordinal += 1
        return lines

    def _lines_in_file(self) -> int:
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            count = self._count(file, size)
            file.seek(max(0, size - 1))
            ends = file.read(1) == self.newline
        return count + (0 if ends or size == 0 else 1)

    def _count(self, file, size: int) -> int:  # noqa: ANN001 - any binary file.
        count = 0
        while size > 0 and (chunk := file.read(min(size, _CHUNK_BYTES))):
            count += chunk.count(self.newline)
            size -= len(chunk)
        return count
