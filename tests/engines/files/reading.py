"""Reads a file the way an ingest does, and keeps what a test wants to look at."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from servicetsunami.engines.files import ReadOptions, Rejects, Source, read_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file read to its end."""

    source: Source
    rows: list[dict[str, object]]
    rejects: Rejects

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.source.columns}

    @property
    def how(self) -> dict[str, str]:
        return {column.name: column.how for column in self.source.columns}

    @property
    def warned(self) -> str:
        return "\n".join(self.source.warnings)

    @property
    def reasons(self) -> list[tuple[object, object]]:
        return [(row["line"], row["reason"]) for row in self.rejects.first]

    def column(self, name: str) -> list[object]:
        return [row[name] for row in self.rows]


def _drain(source: Source) -> Reading:
    rows = source.reader.read_all().to_pylist()
    return Reading(source=source, rows=rows, rejects=source.rejects())


def read(path: Path, options: Mapping[str, object] | None = None) -> Reading:
    """Read one file with options as a caller writes them."""
    with tempfile.TemporaryDirectory() as directory:
        reading = read_path(
            path,
            ReadOptions.parse(options or {}),
            _drain,
            temp_dir=Path(directory),
            memory_limit_mb=200,
            threads=2,
        )
        assert list(Path(directory).iterdir()) == []
    return reading


def read_text(
    path: Path, content: str | bytes, options: Mapping[str, object] | None = None
) -> Reading:
    """Write the content to a file, and read that."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, options)
