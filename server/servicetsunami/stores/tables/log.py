"""Reads the Delta log's own files, where delta-rs does not say enough.

`DeltaTable.history` numbers commits wrongly when an older version is loaded, and nothing lists the
files that any commit ever mentioned.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from servicetsunami.errors import NotFound

_COMMIT = re.compile(r"(\d{20})\.json")
_KNOWN = re.compile(r"\d{20}\.(json|crc|checkpoint.*\.parquet)|_last_checkpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One version in the Delta log, acknowledged or not."""

    version: int
    committed_at: datetime
    operation: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, object] = field(default_factory=dict)
    info: Mapping[str, object] = field(default_factory=dict)


def log_dir(location: Path) -> Path:
    """The directory of the table's log."""
    return location / "_delta_log"


def commit_file(location: Path, version: int) -> Path:
    """The file whose existence makes a version exist."""
    return log_dir(location) / f"{version:020}.json"


def versions(location: Path) -> tuple[int, ...]:
    """The versions in the log, oldest first; none for a table that does not exist."""
    try:
        found = [_COMMIT.fullmatch(each.name) for each in log_dir(location).iterdir()]
    except FileNotFoundError:
        return ()
    return tuple(sorted(int(match[1]) for match in found if match))


def latest_version(location: Path) -> int | None:
    """The newest version in the log, acknowledged or not."""
    found = versions(location)
    return found[-1] if found else None


def commit(location: Path, version: int) -> Commit:
    """What a version says of itself; raises NotFound when its log file is gone."""
    for action in actions(location, version):
        if "commitInfo" in action:
            return _commit(version, action["commitInfo"])
    changed_at = commit_file(location, version).stat().st_mtime
    return Commit(
        version=version, committed_at=datetime.fromtimestamp(changed_at, UTC), operation="UNKNOWN"
    )


def _commit(version: int, info: dict) -> Commit:
    return Commit(
        version=version,
        committed_at=datetime.fromtimestamp(info.pop("timestamp") / 1000, UTC),
        operation=info.pop("operation", "UNKNOWN"),
        parameters=info.pop("operationParameters", {}),
        metrics=info.pop("operationMetrics", {}),
        info=info,
    )


def actions(location: Path, version: int) -> Iterator[dict]:
    """The actions of one commit; raises NotFound when its log file is gone."""
    try:
        with commit_file(location, version).open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
    except FileNotFoundError as error:
        raise missing_version(location, version) from error


def missing_version(location: Path, version: int) -> NotFound:
    """Say which versions can still be read instead."""
    there = versions(location)
    if not there:
        return NotFound(
            "The files of this dataset are gone.", "Delete the dataset, then ingest it again."
        )
    return NotFound(
        f"Version {version} of this dataset can no longer be read.",
        f"The log reaches from version {there[0]} to {there[-1]}.",
    )


def mentioned_files(location: Path) -> set[Path]:
    """The data files that any commit in the log added or removed."""
    return {
        local_file(location, action[kind]["path"])
        for version in versions(location)
        for action in actions(location, version)
        for kind in ("add", "remove")
        if kind in action
    }


def local_file(location: Path, path: str) -> Path:
    """The file that a path in the log means: it is relative, and encoded as in a URL."""
    return location / unquote(path)


def foreign_log_files(location: Path) -> list[Path]:
    """Left-overs in the log's directory: a commit that was being written when its writer died."""
    return [each for each in log_dir(location).iterdir() if not _KNOWN.fullmatch(each.name)]
