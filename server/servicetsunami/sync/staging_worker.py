"""The child process that finds what to send: files as they are, or a file of the changed rows."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.domain.dataset import Snapshot
from servicetsunami.engines.sql.scratch import Scratch
from servicetsunami.engines.workers.serving import Request, serve

if TYPE_CHECKING:
    from servicetsunami.engines.workers.channel import Channel

_PIECE_BYTES: Final = 1 << 20
_APPEND, _REPLACE, _MERGE = "append", "replace", "merge"


def run(channel: "Channel", options: Mapping[str, Any]) -> None:
    """Stage versions until the server closes the channel."""
    scratch = cache(lambda: Scratch(Path(options["temp_dir"])))
    serve(channel, {"stage": partial(stage, options=options, scratch=scratch)})


def stage(
    request: Request, *, options: Mapping[str, Any], scratch: Callable[[], Scratch]
) -> dict[str, Any]:
    """Decide how a table that stands at `base_version` becomes `version`, and list the files.

    Strategies: `append` what the version added, `merge` the changed rows by `keys`, or `replace`
    everything, which is always right. Raises NotFound when files are gone, because the dataset was
    deleted meanwhile.
    """
    # Heavy, and for the child alone.
    from servicetsunami.engines.sql import changed_rows  # noqa: PLC0415
    from servicetsunami.stores.tables.snapshot import TableReader  # noqa: PLC0415

    asked = request.arguments
    location, folder, reader = Path(asked["location"]), Path(asked["folder"]), TableReader()
    after = reader.snapshot(location, version=asked["version"])
    base = asked["base_version"]
    before = None if base is None else reader.snapshot(location, version=base)
    strategy, files = _REPLACE, after.files
    database = partial(changed_rows.database, temp_dir=scratch().path / "staging", **options["sql"])
    if before is not None and asked["operation"] in {_APPEND, _MERGE}:
        added = [each for each in after.files if each not in before.files]
        removed = [each for each in before.files if each not in after.files]
        if not removed and added:
            strategy, files = _APPEND, tuple(added)
        elif asked["operation"] == _MERGE and asked["keys"] and _only_gained(before, after):
            changed = _made(folder, "changed.parquet")
            with database() as connection:
                if changed_rows.write_changed(
                    connection,
                    changed,
                    after=after,
                    added=added,
                    removed=removed,
                    keys=asked["keys"],
                ):
                    strategy, files = _MERGE, (str(changed),)
    if not files:
        # So that a table without rows can be sent like any other.
        empty = _made(folder, "empty.parquet")
        with database() as connection:
            changed_rows.write_empty(connection, empty, table=after)
        files = (str(empty),)
    return {
        "strategy": strategy,
        "files": [_described(Path(each)) for each in files],
        "columns": [asdict(column) for column in after.columns],
        "row_count": after.row_count,
    }


def _made(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def _only_gained(before: Snapshot, after: Snapshot) -> bool:
    """Whether every column of before is still there as it was."""
    now = {column.name: column.type for column in after.columns}
    return all(now.get(column.name) == column.type for column in before.columns)


def _described(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return {
        "path": str(path),
        "sha256": digest.hexdigest(),
        "size_bytes": path.stat().st_size,
    }
