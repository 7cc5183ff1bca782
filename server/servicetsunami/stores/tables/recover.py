"""Undoes what was written and never acknowledged."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from servicetsunami.errors import Conflict
from servicetsunami.stores.locks import FileLock
from servicetsunami.stores.tables import log
from servicetsunami.stores.tables.location import lock_file, spool_dir
from servicetsunami.stores.tables.lock import lock

_ROLLED_BACK_TO = "servicetsunami.rolledBackTo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection did.

    `in_use` names the tables that another process was writing, `unknown` those that were finished
    and that this metadata has never heard of: they belong to another one, and stay.
    """

    tables_removed: tuple[str, ...] = ()
    tables_rolled_back: tuple[str, ...] = ()
    files_removed: int = 0
    in_use: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def recover(location: Path, held: FileLock, *, base_version: int | None) -> int:
    """Bring a table to its acknowledged version, under its lock; returns the files removed.

    Costs one directory listing where there is nothing to do. `base_version` None means that the
    table was never acknowledged: then nothing of it stays.
    """
    roll_back(location, base_version=base_version)
    shutil.rmtree(spool_dir(location), ignore_errors=True)
    if not held.was_interrupted or base_version is None:
        return 0
    return _sweep(location)


def roll_back(location: Path, *, base_version: int | None) -> bool:
    """Undo unacknowledged commits by a new one; tells whether there was anything to undo."""
    if base_version is None:
        existed = location.exists()
        shutil.rmtree(location, ignore_errors=True)
        return existed
    latest = log.latest_version(location)
    if latest is None or latest < base_version:
        raise log.missing_version(location, base_version)
    if latest == base_version or _is_rolled_back(location, latest, base_version):
        return False
    # Only here, because most writes follow one that ended well.
    from deltalake import CommitProperties, DeltaTable  # noqa: PLC0415

    DeltaTable(str(location)).restore(
        base_version,
        commit_properties=CommitProperties(custom_metadata={_ROLLED_BACK_TO: str(base_version)}),
    )
    return True


def discard(location: Path, *, version: int) -> None:
    """Remove the data files of a commit that is not going to be acknowledged, under the lock.

    The commit itself is undone by the next write, or by the next start. Only for a commit of rows,
    all of whose files are new.
    """
    for action in log.actions(location, version):
        if "add" in action:
            log.local_file(location, action["add"]["path"]).unlink(missing_ok=True)


def _is_rolled_back(location: Path, latest: int, base_version: int) -> bool:
    return log.commit(location, latest).info.get(_ROLLED_BACK_TO) == str(base_version)


def _sweep(location: Path) -> int:
    """Remove the files that no commit mentions; the lock says that nobody is writing any now."""
    mentioned = log.mentioned_files(location) | _live_files(location)
    logs = log.log_dir(location)
    unknown = [
        each
        for each in location.rglob("*")
        if each.is_file() and logs not in each.parents and each not in mentioned
    ]
    unknown += log.foreign_log_files(location)
    for each in unknown:
        each.unlink(missing_ok=True)
    return len(unknown)


def _live_files(location: Path) -> set[Path]:
    """The files of the newest version, some of which only a checkpoint may still mention."""
    from deltalake import DeltaTable  # noqa: PLC0415

    paths = DeltaTable(str(location)).get_add_actions().column("path").to_pylist()
    return {log.local_file(location, each) for each in paths}


def delete(location: Path, *, timeout_s: float) -> None:
    """Remove a table that the metadata no longer knows, after that was committed.

    Dying on the way is harmless: `collect_orphans` finishes it. Raises Conflict while a writer is
    at work, whose own commit is going to fail.
    """
    with lock(location, timeout_s=timeout_s) as held:
        _remove(location, held)


def _remove(location: Path, held: FileLock) -> None:
    shutil.rmtree(location, ignore_errors=True)
    shutil.rmtree(spool_dir(location), ignore_errors=True)
    held.remove()


def collect_orphans(
    tables_dir: Path,
    known: Mapping[str, int],
    *,
    acknowledged_version: Callable[[str], int | None],
    was_deleted: Callable[[str], bool] = lambda _: False,
) -> Collected:
    """Undo, in all tables of a tenant, what was never acknowledged: for the start of a server.

    `known` has the acknowledged version by dataset id, as read before; `acknowledged_version` is
    asked again, under the table's lock, before anything is touched, because another process may
    have created or changed the table meanwhile. Both functions are called in this thread.

    A table goes only when there is proof that nobody was promised it: it was deleted, or its
    first write did not finish. Whoever is started with the wrong metadata loses nothing.
    """
    done: dict[str, list[str]] = {"removed": [], "rolled_back": [], "in_use": [], "unknown": []}
    files_removed = 0
    for dataset_id in sorted(_ids(tables_dir, known)):
        location = tables_dir / dataset_id
        if dataset_id in known and _is_clean(location, known[dataset_id]):
            continue
        try:
            held = lock(location, timeout_s=0)
        except Conflict:
            done["in_use"].append(dataset_id)
            continue
        with held:
            version = acknowledged_version(dataset_id)
            if version is not None:
                files_removed += recover(location, held, base_version=version)
                done["rolled_back"].append(dataset_id)
            elif _is_unfinished(location, held) or was_deleted(dataset_id):
                _remove(location, held)
                done["removed"].append(dataset_id)
            else:
                done["unknown"].append(dataset_id)
    return Collected(
        tables_removed=tuple(done["removed"]),
        tables_rolled_back=tuple(done["rolled_back"]),
        files_removed=files_removed,
        in_use=tuple(done["in_use"]),
        unknown=tuple(done["unknown"]),
    )


def _ids(tables_dir: Path, known: Mapping[str, int]) -> set[str]:
    """The tables that are known, or have a lock: whatever else lies there is not ours."""
    return {*known, *(each.stem for each in tables_dir.glob("*.lock"))}


def _is_unfinished(location: Path, held: FileLock) -> bool:
    """Tell whether the very first write of a table broke off."""
    return held.was_interrupted and (log.latest_version(location) or 0) == 0


def _is_clean(location: Path, acknowledged: int) -> bool:
    """Tell whether the last writer finished; nothing can then be left over."""
    try:
        finished = lock_file(location).stat().st_size == 0
    except FileNotFoundError:
        finished = True
    latest = log.latest_version(location)
    if latest is None:
        return True
    return finished and (latest == acknowledged or _is_rolled_back(location, latest, acknowledged))
