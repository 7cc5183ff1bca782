"""Cleans up, once per start, what crashed servers have left behind."""

import logging
import shutil
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from anyio import from_thread, to_thread

from servicetsunami.errors import ServerError
from servicetsunami.services.model_files import MAKING, models_dir, remove_models
from servicetsunami.services.run_outputs import RunOutputs
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.results import ResultStore
from servicetsunami.stores.tables.location import tables_dir
from servicetsunami.stores.tables.recover import collect_orphans

_log = logging.getLogger(__name__)

_TRANSFER_S = 86_400.0
_TRANSFERS = (
    "temp/pull-*",
    "temp/scores-*",
    "temp/upload-*",
    "tenants/*/sync/*",
    f"tenants/*/models/{MAKING}*",
)


class Recovery:
    """Undoes unacknowledged writes, and removes files that nobody can ask for any more."""

    def __init__(
        self, *, metadata: Metadata, results: ResultStore, outputs: RunOutputs, data_dir: Path
    ) -> None:
        self._metadata = metadata
        self._results = results
        self._outputs = outputs
        self._data_dir = data_dir

    async def run(self) -> None:
        """Do it all; safe beside other servers on the same data, and in the middle of their work.

        A tenant whose tables cannot be tidied now is left to the next start.
        """
        await to_thread.run_sync(self._results.sweep)
        await to_thread.run_sync(self._sweep_transfers)
        await self._outputs.sweep()
        tenants = self._data_dir / "tenants"
        if not tenants.is_dir():
            return
        for folder in sorted(tenants.iterdir()):
            try:
                await self._collect(folder.name)
            except ServerError as error:
                _log.warning("tables of tenant %s were not tidied: %s", folder.name, error)

    def _sweep_transfers(self) -> None:
        """Remove what killed servers left of pulls, scores, uploads, models and changes.

        What is in use is young: nothing takes a day.
        """
        oldest = time.time() - _TRANSFER_S
        for pattern in _TRANSFERS:
            for path in self._data_dir.glob(pattern):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime >= oldest:
                        continue
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink()

    async def _collect(self, tenant: str) -> None:
        async with self._metadata.read() as transaction:
            known = await transaction.datasets.acknowledged_versions(tenant)
            deleted = await transaction.endpoints.deleted(tenant)
        await to_thread.run_sync(remove_models, models_dir(self._data_dir, tenant), deleted)
        collected = await to_thread.run_sync(
            partial(
                collect_orphans,
                tables_dir(self._data_dir, tenant),
                known,
                acknowledged_version=lambda each: from_thread.run(self._acknowledged, tenant, each),
                was_deleted=lambda each: from_thread.run(self._was_deleted, tenant, each),
            )
        )
        if collected.unknown:
            _log.warning(
                "tenant %s has %d tables that this metadata database does not know: they are "
                "left alone; check SERVICETSUNAMI_DATABASE_URL",
                tenant,
                len(collected.unknown),
            )
        if collected.tables_removed or collected.tables_rolled_back or collected.files_removed:
            _log.info("recovered tables of tenant %s: %s", tenant, collected)

    async def _acknowledged(self, tenant: str, dataset_id: str) -> int | None:
        async with self._metadata.read() as transaction:
            return await transaction.datasets.acknowledged_version(tenant, dataset_id)

    async def _was_deleted(self, tenant: str, dataset_id: str) -> bool:
        async with self._metadata.read() as transaction:
            return await transaction.datasets.was_deleted(tenant, dataset_id)
