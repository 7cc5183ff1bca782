"""What a reading may use: a directory of its own, memory, threads, and whom to tell."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from servicetsunami.engines.files.report import TypesMisjudged


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The means of one reading. `directory` is empty at first, and removed afterwards.

    The stream leaves its TypesMisjudged in `misjudged`, because writers in between replace
    errors by their own.
    """

    directory: Path
    memory_limit_mb: int
    threads: int
    on_progress: Callable[[int, float | None], None]
    misjudged: list[TypesMisjudged] = field(default_factory=list)

    def linked(self, path: Path, name: str = "source") -> Path:
        """Give `path` a harmless name: the engine takes some characters as patterns."""
        link = self.directory / name
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
        return link
