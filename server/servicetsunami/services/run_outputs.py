"""Removes the whole outputs of runs that have ended long ago; what their cells show stays."""

import logging
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from servicetsunami.errors import ServerError
from servicetsunami.stores.metadata import Metadata

_log = logging.getLogger(__name__)

_EVERY_S: Final = 3_600.0
_ASKED_AT_ONCE: Final = 500


class RunOutputs:
    """Looks after `tenants/<tenant>/runs/<run>/`; `days` after its end a run's folder goes.

    0 keeps all. A folder whose run nobody knows any more goes at the same age.
    """

    def __init__(
        self,
        *,
        metadata: Metadata,
        data_dir: Path,
        days: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._metadata = metadata
        self._tenants = data_dir / "tenants"
        self._days = days
        self._now = now

    async def run(self) -> None:
        """Remove what is old, every hour, until cancelled; a start has done so before."""
        while True:
            await anyio.sleep(_EVERY_S)
            try:
                await self.sweep()
            except ServerError as error:
                _log.warning("outputs of runs were not tidied: %s", error)

    async def sweep(self) -> int:
        """Remove what is old; how many folders went. Safe beside other servers on the data."""
        if not self._days:
            return 0
        since = self._now() - timedelta(days=self._days)
        found = await to_thread.run_sync(partial(_old, self._tenants, since.timestamp()))
        count = 0
        for tenant, folders in found.items():
            for some in _in_parts(folders):
                async with self._metadata.read() as transaction:
                    names = [folder.name for folder in some]
                    wanted = await transaction.runs.going_or_ended_since(tenant, names, since)
                gone = [folder for folder in some if folder.name not in wanted]
                await to_thread.run_sync(partial(_remove, gone))
                count += len(gone)
        return count


def _in_parts(folders: list[Path]) -> Iterable[list[Path]]:
    for start in range(0, len(folders), _ASKED_AT_ONCE):
        yield folders[start : start + _ASKED_AT_ONCE]


def _old(tenants: Path, before: float) -> dict[str, list[Path]]:
    """The folders, by tenant, in which nothing was begun since: those of younger runs are left."""
    found: dict[str, list[Path]] = {}
    for folder in tenants.glob("*/runs/*"):
        try:
            if folder.is_dir() and folder.stat().st_mtime < before:
                found.setdefault(folder.parent.parent.name, []).append(folder)
        except FileNotFoundError:
            continue  # Another process removed it first.
    return found


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
