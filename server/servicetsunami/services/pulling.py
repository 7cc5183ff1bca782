"""Copies tables from Databricks: a consistent version, chunk by chunk, in flat memory."""

import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, Pulled, SyncState
from servicetsunami.domain.remote import RemoteTable, TableAddress
from servicetsunami.engines.workers.worker import Worker
from servicetsunami.errors import (
    ConfigurationError,
    Denied,
    RemoteDenied,
    RemoteNotFound,
    RemoteRefused,
    ServerError,
)
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.sources import Settled, Work, as_own_change
from servicetsunami.services.spending import Spending

if TYPE_CHECKING:
    from servicetsunami.gateway.statements import Statement
    from servicetsunami.gateway.workspace import Workspace

_PIECE_BYTES: Final = 1 << 20
_LENGTH_BYTES: Final = 4
_END: Final = b"\0" * _LENGTH_BYTES
_VERSIONED: Final = frozenset({"MANAGED", "EXTERNAL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledSource:
    """The finished result of reading one version of a table on Databricks.

    `is_own` tells that the table is the one which the dataset itself is kept in there.
    """

    workspace: "Workspace"
    statement: "Statement"
    pulled: Pulled
    is_own: bool
    replaces: bool
    temp_dir: Path

    async def read(self, worker: Worker, work: Work) -> Mapping[str, Any]:
        """Feed the chunks through a pipe to the child that writes them."""
        arguments = {
            **work.arguments,
            "row_count": self.statement.row_count,
            "columns": [[column.name, column.type] for column in self.statement.columns],
        }
        incoming, outgoing = os.pipe()
        feed = _Feed(self, outgoing)
        report: Mapping[str, Any] = {}
        failure: ServerError | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(feed.run)
                try:
                    report = await worker.call(
                        "pull",
                        arguments,
                        timeout_s=work.timeout_s,
                        on_progress=work.on_progress,
                        fds=[*work.fds, incoming],
                    )
                except ServerError as error:
                    failure = error
                tasks.cancel_scope.cancel()
        finally:
            os.close(incoming)
            feed.close()
        # The child only sees that the rows stopped; why, the feed knows.
        cause = feed.failure or failure
        if cause is not None:
            raise cause
        return report

    def settle(self, before: Dataset | None, after: Dataset, *, at: datetime) -> Settled:
        """A copy is not sent back; a dataset that took its own table's rows is in step with it."""
        if not self.replaces:
            return as_own_change(after)
        after = replace(after, metadata={**after.metadata, **self.pulled.as_metadata()})
        if before is None or before.sync_state is SyncState.OFF:
            off = replace(after, sync_state=SyncState.OFF)
            return Settled(dataset=off, is_promised=False)
        if not self.is_own:
            return as_own_change(after)
        state = SyncState.SYNCED
        synced = replace(after, sync_state=state, synced_version=after.version, synced_at=at)
        return Settled(dataset=synced, is_promised=False, is_synced=True)


class _Feed:
    """Writes the chunks into a pipe, in frames, while the next ones are being downloaded."""

    def __init__(self, source: PulledSource, outgoing: int) -> None:
        self._source = source
        self._outgoing = outgoing
        os.set_blocking(outgoing, False)
        self.failure: ServerError | None = None

    def close(self) -> None:
        """Close the pipe; without the end mark the reader takes nothing."""
        if self._outgoing >= 0:
            os.close(self._outgoing)
            self._outgoing = -1

    async def run(self) -> None:
        """Send all chunks and the end mark; a failure ends the pipe without it."""
        try:
            with tempfile.TemporaryDirectory(dir=self._source.temp_dir, prefix="pull-") as folder:
                await self._send_all(Path(folder))
        except ServerError as error:
            self.failure = error
        finally:
            self.close()

    async def _send_all(self, folder: Path) -> None:
        # A reader that is gone says itself what was wrong.
        with suppress(BrokenPipeError):
            async for path in self._downloaded(folder):
                async with await anyio.open_file(path, "rb") as file:
                    while piece := await file.read(_PIECE_BYTES):
                        await self._write(len(piece).to_bytes(_LENGTH_BYTES, "big") + piece)
                await anyio.Path(path).unlink()
            await self._write(_END)

    async def _downloaded(self, folder: Path) -> AsyncIterator[Path]:
        source = self._source
        for index in range(source.statement.chunk_count or 0):
            path = folder / f"{index}.arrow"
            await source.workspace.downloads.save(source.statement, index, path)
            yield path

    async def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._outgoing, view) :]
            except BlockingIOError:
                await anyio.wait_writable(self._outgoing)


class Pulling:
    """Owns the way of tables from Databricks to here."""

    def __init__(
        self, *, connection: Connection, spending: Spending, temp_dir: Path, timeout_s: float
    ) -> None:
        self._connection = connection
        self._spending = spending
        self._temp_dir = temp_dir
        self._timeout_s = timeout_s

    async def open(
        self, caller: Caller, table: TableAddress, *, is_own: bool, replaces: bool
    ) -> PulledSource:
        """Have Databricks read the table's newest version, for an ingest to take.

        Raises ConfigurationError without a workspace, Denied for a catalog that is not to be
        read, RemoteNotFound for a table that is not there, BudgetUsedUp when the budget for
        Databricks is used up, and other RemoteErrors.
        """
        there = await self.look(caller, table)
        permit = await self._spending.budgets.admit_there(caller.tenant)
        workspace = await self._connection.workspace()
        version = await self._version(workspace, there, permit)
        started_at = datetime.now(UTC)
        statement = await self._selected(workspace, table, version, caller.tenant)
        self._temp_dir.mkdir(parents=True, exist_ok=True)
        return PulledSource(
            workspace=workspace,
            statement=statement,
            pulled=Pulled(table=str(table), version=version, at=started_at),
            is_own=is_own,
            replaces=replaces,
            temp_dir=self._temp_dir,
        )

    async def look(self, caller: Caller, table: TableAddress) -> RemoteTable:
        """The table as Unity Catalog describes it; raises as `open` does."""
        if not caller.has_databricks:
            raise ConfigurationError(
                f"No Databricks workspace is connected, so {table} cannot be reached.",
                "Have DATABRICKS_ENABLED and its companions set, or ingest a file.",
            )
        if not caller.may_read(table.catalog):
            raise Denied(
                f"The catalog {table.catalog!r} is not open to you.",
                "Ask for a table of your own catalog, or have DATABRICKS_READABLE_CATALOGS set.",
            )
        workspace = await self._connection.workspace()
        there = await workspace.catalogs.get_table(table)
        if there is None:
            raise RemoteNotFound(
                f"Databricks has no table {table}, or you may not see it.",
                "Check the name; list_assets shows the tables of your catalog.",
            )
        return there

    async def newest_version(self, caller: Caller, table: TableAddress) -> int | None:
        """The version that the table has there now; None for what has no versions.

        Asking for it runs a statement. Raises as `open` does.
        """
        there = await self.look(caller, table)
        permit = await self._spending.budgets.admit_there(caller.tenant)
        return await self._version(await self._connection.workspace(), there, permit)

    async def _version(
        self, workspace: "Workspace", there: RemoteTable, permit: Permit
    ) -> int | None:
        if there.kind not in _VERSIONED:
            return None
        from servicetsunami.gateway.statements import StatementRequest  # noqa: PLC0415 - lazy

        request = StatementRequest(
            sql=f"DESCRIBE HISTORY {there.address.sql} LIMIT 1", permit=permit
        )
        try:
            found = await workspace.statements.run(request, timeout_s=self._timeout_s)
            rows = [row async for rows in workspace.statements.rows(found) for row in rows]
        except (RemoteRefused, RemoteDenied):
            # Not a Delta table, or its history is not ours to see: then without a version.
            return None
        return int(rows[0][0]) if rows and rows[0][0] is not None else None

    async def _selected(
        self, workspace: "Workspace", table: TableAddress, version: int | None, tenant: str
    ) -> "Statement":
        from servicetsunami.gateway.statements import StatementRequest  # noqa: PLC0415 - lazy

        at = "" if version is None else f" VERSION AS OF {version}"
        async with self._spending.statement(tenant, workspace) as noted:
            request = StatementRequest(
                sql=f"SELECT * FROM {table.sql}{at}",  # noqa: S608 - quoted
                permit=noted.permit,
                tags={"servicetsunami_tool": "ingest_dataset"},
                form="arrow",
            )
            return await workspace.statements.run(request, timeout_s=self._timeout_s)
