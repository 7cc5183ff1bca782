"""Has Databricks compute a statement, and gives the answer as if it had been computed here."""

import json
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
from pydantic import JsonValue

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import DEFAULT_SCHEMA
from servicetsunami.engines.sql.engine import (
    Admitted,
    AdmittedTable,
    PageOptions,
    ResultInfo,
    SqlEngine,
)
from servicetsunami.engines.sql.parameters import remote_parameters
from servicetsunami.errors import NotFound, RemoteNotFound, TimedOut
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.answers import QueryAnswer
from servicetsunami.services.catalog import TableFound
from servicetsunami.services.results import page_facts, result_facts
from servicetsunami.services.routing import Route
from servicetsunami.services.spending import Spending
from servicetsunami.services.spending import Statement as Noted
from servicetsunami.stores.results import ResultStore, StoredResult

if TYPE_CHECKING:
    from servicetsunami.gateway.statements import Statement, StatementRequest

_INLINE_BYTES_MAX: Final = 20 * 2**20
"""Databricks fails an inline result of more than 25 MiB; asked for less, it cuts it and says so."""
_PENDING: Final = "pending"
_NAMES_UNKNOWN: Final = frozenset(
    {
        "TABLE_OR_VIEW_NOT_FOUND",
        "SCHEMA_NOT_FOUND",
        "CATALOG_NOT_FOUND",
        "NO_SUCH_CATALOG_EXCEPTION",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteQuestion:
    """A statement for Databricks, how its first page is cut, and where its result is kept."""

    sql: str
    parameters: Mapping[str, JsonValue]
    timeout_s: float | None
    page: PageOptions
    result_id: str
    path: Path


class RemoteQueries:
    """Owns reading from Databricks: the same statement, the same gate, the same answer.

    After `patience_s` of waiting a call hands back a cursor to wait on.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        engine: SqlEngine,
        results: ResultStore,
        spending: Spending,
        rows_max: int,
        patience_s: float,
    ) -> None:
        self._connection = connection
        self._engine = engine
        self._results = results
        self._spending = spending
        self._rows_max = rows_max
        self._patience_s = patience_s

    async def ask(
        self,
        caller: Caller,
        asked: RemoteQuestion,
        admitted: Admitted,
        route: Route,
    ) -> QueryAnswer:
        """Answer an admitted statement with its first page, or with a cursor to wait on.

        Raises a RemoteError, TimedOut when the caller's own time is over (the statement is then
        cancelled there), NotFound for a table that Databricks does not have either, or
        BudgetUsedUp when it would pass the budget.
        """
        parameters = remote_parameters(asked.parameters, admitted.parameters)
        patience_s = min(asked.timeout_s or self._patience_s, self._patience_s)
        is_final = asked.timeout_s is not None and asked.timeout_s <= self._patience_s
        workspace = await self._connection.workspace()
        noted = await self._spending.begin(caller.tenant, workspace)
        request = self._request(caller, asked, parameters, noted.permit)
        pending = Pending(
            facts=_facts(caller, admitted, route),
            names=_names(admitted.tables, caller),
            noted=noted.as_json(),
        )
        with _named(pending.names):
            async with (
                self._noted_when_failed(caller, pending),
                workspace.statements.started(request) as started,
            ):
                pending = replace(pending, statement_id=started.id)
                try:
                    ended = await workspace.statements.follow(started, timeout_s=patience_s)
                except TimedOut:
                    if is_final:
                        raise
                    return self._still_running(caller, asked.result_id, pending)
                kept = StoredResult(id=asked.result_id, path=asked.path, facts={})
                return await self._finished(caller, ended, pending, kept, asked.page)

    def _request(
        self,
        caller: Caller,
        asked: RemoteQuestion,
        parameters: Sequence[tuple[str, str | None, str]],
        permit: Permit,
    ) -> "StatementRequest":
        from servicetsunami.gateway.statements import (  # noqa: PLC0415 - only with a workspace
            StatementParameter,
            StatementRequest,
        )

        return StatementRequest(
            sql=asked.sql.strip().rstrip(";"),
            permit=permit,
            catalog=caller.catalog,
            schema=DEFAULT_SCHEMA,
            parameters=tuple(
                StatementParameter(name=name, value=value, type=kind)
                for name, value, kind in parameters
            ),
            # One row more than is kept is how we learn that there were more.
            row_limit=self._rows_max + 1,
            byte_limit=_INLINE_BYTES_MAX,
            tags={"servicetsunami_tool": "query_dataset"},
        )

    @asynccontextmanager
    async def _noted_when_failed(self, caller: Caller, pending: "Pending") -> AsyncGenerator[None]:
        """Note how long a statement took that did not end well: it is billed as well."""
        try:
            yield
        except BaseException:
            await self._spending.end(caller.tenant, pending.note, seconds=pending.elapsed_s)
            raise

    def is_pending(self, stored: StoredResult) -> bool:
        """Whether a kept result is one that Databricks was still computing."""
        return _PENDING in stored.facts

    async def resume(self, caller: Caller, stored: StoredResult, page: PageOptions) -> QueryAnswer:
        """Go on waiting for a statement; the first page, or once more a cursor.

        Raises RemoteNotFound when Databricks has forgotten the statement meanwhile.
        """
        pending = Pending.of(stored.facts[_PENDING])
        workspace = await self._connection.workspace()
        with _named(pending.names):
            async with self._noted_when_failed(caller, pending):
                statement = await workspace.statements.look(pending.statement_id)
                try:
                    statement = await workspace.statements.follow(
                        statement, timeout_s=self._patience_s
                    )
                except TimedOut:
                    return self._still_running(caller, stored.id, pending)
                return await self._finished(caller, statement, pending, stored, page)

    async def _finished(
        self,
        caller: Caller,
        statement: "Statement",
        pending: "Pending",
        kept: StoredResult,
        page: PageOptions,
    ) -> QueryAnswer:
        seconds = pending.elapsed_s
        await self._spending.end(caller.tenant, pending.note, seconds=seconds)
        workspace = await self._connection.workspace()
        rows_file = kept.path.with_name(f"{kept.path.name}.rows")
        try:
            async with await anyio.open_file(rows_file, "w", encoding="utf-8") as file:
                async for rows in workspace.statements.rows(statement):
                    await file.write(json.dumps(rows) + "\n")
            info = await self._engine.remember(
                tenant=caller.tenant,
                columns=statement.columns,
                rows_file=rows_file,
                result_path=kept.path,
                rows_max=self._rows_max,
                page=page,
            )
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.Path(rows_file).unlink(missing_ok=True)
        if statement.is_truncated and info.limit is None:
            info = replace(info, limit="bytes")
        cost = pending.note.told(seconds)
        facts = {**pending.facts, "cost": cost, **_merged_note(pending.facts, info, self._rows_max)}
        if info.path is not None:
            self._results.keep(caller.tenant, caller.subject, kept.id, facts)
        return QueryAnswer.model_validate(
            {**facts, **page_facts(info.page, kept.id), "elapsed_ms": pending.elapsed_ms}
        )

    def _still_running(self, caller: Caller, result_id: str, pending: "Pending") -> QueryAnswer:
        """Hand back a cursor: nothing is known yet, which is not the same as nothing found."""
        self._results.keep(caller.tenant, caller.subject, result_id, {_PENDING: pending.as_json()})
        return QueryAnswer.model_validate(
            {
                **pending.facts,
                "columns": [],
                "rows": [],
                "row_count": 0,
                "row_count_is_minimum": True,
                "state": "running",
                "cost": pending.note.told(),
                "truncated": True,
                "cursor": f"{result_id}:0",
                "elapsed_ms": pending.elapsed_ms,
                "note": "Databricks is still computing: there is no row yet. Call query_dataset "
                "with this cursor alone to go on waiting.",
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A statement on Databricks, and what its answer will say besides its rows."""

    facts: Mapping[str, Any]
    names: Sequence[str]
    noted: Mapping[str, Any]
    statement_id: str = ""
    asked_at: float = field(default_factory=time.time)

    @property
    def note(self) -> Noted:
        """How it was noted before it began."""
        return Noted.of(self.noted)

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was asked."""
        return time.time() - self.asked_at

    @property
    def elapsed_ms(self) -> int:
        """The same in milliseconds."""
        return round(self.elapsed_s * 1000)

    def as_json(self) -> dict[str, Any]:
        """What a kept result remembers."""
        return {
            "facts": dict(self.facts),
            "names": list(self.names),
            "noted": dict(self.noted),
            "statement_id": self.statement_id,
            "asked_at": self.asked_at,
        }

    @classmethod
    def of(cls, found: Any) -> Self:  # noqa: ANN401 - what `as_json` gave
        """Read back what `as_json` gave."""
        return cls(**found)


def _names(tables: Sequence[AdmittedTable], caller: Caller) -> list[str]:
    return [f"{table.catalog or caller.catalog}.{table.name}" for table in tables]


@contextmanager
def _named(names: Sequence[str]) -> Generator[None]:
    """Say which tables were asked for, when Databricks says that there is none."""
    try:
        yield
    except RemoteNotFound as error:
        if error.code not in _NAMES_UNKNOWN:
            raise
        raise NotFound(
            f"Neither this machine nor Databricks has all of: {', '.join(names)}.",
            "Call list_assets to see what exists.",
        ) from error


def _facts(caller: Caller, admitted: Admitted, route: Route) -> dict[str, Any]:
    """What is the same on every page: where it ran, why, and how fresh each table is there."""
    now = datetime.now(UTC).isoformat()
    tables, behind = [], []
    found = route.found or (None,) * len(admitted.tables)
    for name, here in zip(_names(admitted.tables, caller), found, strict=True):
        tables.append(_read(name, here, now))
        if here is not None and here.dataset.version != here.dataset.synced_version:
            behind.append(str(here.dataset.name))
    note = None
    if behind:
        note = f"Changes of {', '.join(behind)} made here have not reached Databricks yet."
    return {"ran_on": "databricks", "reason": route.reason, "tables": tables, "note": note}


def _read(name: str, here: TableFound | None, now: str) -> dict[str, Any]:
    if here is None or here.dataset.synced_at is None:
        return {"table": name, "as_of": now}
    dataset = here.dataset
    return {
        "table": str(dataset.name),
        "version": dataset.synced_version,
        "as_of": dataset.synced_at.isoformat() if dataset.synced_at else now,
    }


def _merged_note(facts: Mapping[str, Any], info: ResultInfo, rows_max: int) -> dict[str, Any]:
    found = result_facts(info, rows_max=rows_max)
    notes = [note for note in (facts.get("note"), found["note"]) if note]
    return {**found, "note": " ".join(notes) or None}
