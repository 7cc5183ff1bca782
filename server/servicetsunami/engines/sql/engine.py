"""Answers SQL on table snapshots in child processes; the server itself never loads an engine."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio

from servicetsunami.domain.dataset import Column, Snapshot
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.engines.workers.worker import Progress, Worker
from servicetsunami.engines.workers.zygote import Zygote

PRELOAD = ("servicetsunami.engines.sql.worker", "pyarrow.ipc")
"""What the zygote has to import for the children of this engine."""

ROWS_MAX = 1_000_000
"""How many rows of a result are kept by default."""

_TARGET = "servicetsunami.engines.sql.worker:run"
_ADMIT_TIMEOUT_S = 5.0
_PAGE_TIMEOUT_S = 20.0
_REMEMBER_TIMEOUT_S = 60.0
_PARTIAL = ".partial"

Form = Literal["concise", "detailed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedTable:
    """A table that a statement reads, as it was named, and the view it has to become.

    `catalog` is None for the tenant's own; a table of another one is on Databricks.
    """

    name: str
    version: int | None
    timestamp: str | None
    view: str
    catalog: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A statement that may be run: `parameters` are the names it wants values for.

    `kind` is "select", or one of the other kinds of `gate.StatementKind`, which are answered
    without the engine; `schema` and `pattern` belong to those.
    """

    kind: str
    tables: tuple[AdmittedTable, ...]
    parameters: tuple[str, ...]
    schema: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """How a page is cut: at `rows_max` rows or about `tokens_max` tokens, whichever is first."""

    rows_max: int = 1_000
    tokens_max: int = 2_000
    form: Form = "concise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question: a statement of a tenant, where its whole result goes, and how it is shown.

    The result, up to `rows_max` rows, goes to `result_path` unless the first page shows it all.
    `other_catalogs` may be named too, for Databricks. `timeout_s` holds for each of the steps.
    `on_progress` gets `{"percent": float}` from the
    second second on.
    """

    tenant: str
    catalog: str
    sql: str
    parameters: Mapping[str, Any]
    result_path: Path
    rows_max: int = ROWS_MAX
    timeout_s: float
    page: PageOptions
    on_progress: Progress | None = None
    other_catalogs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows that are ready for JSON, in the order of the result.

    `next_offset` is None on the last page. `cut_cells` counts values that were shortened because
    their row alone is over the token budget; each says so itself.
    """

    columns: tuple[Column, ...]
    rows: list[list[Any]] | list[dict[str, Any]]
    row_count: int
    offset: int
    next_offset: int | None
    tokens: int
    cut_cells: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultInfo:
    """A finished statement and the first page of its result.

    `row_count` is how many rows are kept; `limit` is None when these are all, else "rows" or
    "bytes". `path` is None when the first page shows everything, so that nothing is on disk.
    """

    columns: tuple[Column, ...]
    row_count: int
    limit: Literal["rows", "bytes"] | None
    elapsed_s: float
    path: Path | None
    page: Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An admitted statement, and its result if it could be run at once."""

    admitted: Admitted
    result: ResultInfo | None


class SqlEngine:
    """Owns the pool of SQL children.

    `tenant_max` is how many of `workers_max` children one tenant may have at once, 0 for all.
    `memory_limit_mb` and `threads` hold for each database that a child opens, and
    `address_space_bytes` for the child as a whole; `temp_dir` may be shared by several servers.
    """

    def __init__(
        self,
        *,
        zygote: Zygote,
        temp_dir: Path,
        workers_max: int = 3,
        tenant_max: int = 0,
        memory_limit_mb: int = 1_000,
        threads: int = 2,
        address_space_bytes: int = 2_500_000_000,
        spill_mb_max: int = 10_000,
        result_bytes_max: int = 1_000_000_000,
    ) -> None:
        self.pool = WorkerPool(
            zygote=zygote,
            target=_TARGET,
            options={
                "temp_dir": str(temp_dir),
                "memory_limit_mb": memory_limit_mb,
                "threads": threads,
                "spill_mb_max": spill_mb_max,
                "result_bytes_max": result_bytes_max,
            },
            kind="duckdb",
            workers_max=workers_max,
            affinity_max=tenant_max,
            address_space_bytes=address_space_bytes,
        )

    @asynccontextmanager
    async def session(self, ask: Ask) -> AsyncGenerator["SqlSession"]:
        """Lend a child for one question: begin it, look up its tables, run it."""
        async with self.pool.acquire(affinity=ask.tenant) as worker:
            yield SqlSession(worker, ask)

    async def page(
        self, result_path: Path, *, offset: int, options: PageOptions, tenant: str
    ) -> Page:
        """Cut a page out of a kept result; raises NotFound when the result is gone."""
        arguments = {"path": str(result_path), "page": _page_request(options, offset)}
        async with self.pool.acquire(affinity=tenant) as worker:
            answer = await worker.call("page", arguments, timeout_s=_PAGE_TIMEOUT_S)
        return _page(answer, columns=_columns(answer), row_count=answer["row_count"])

    async def remember(
        self,
        *,
        tenant: str,
        columns: Sequence[Column],
        rows_file: Path,
        result_path: Path,
        rows_max: int,
        page: PageOptions,
    ) -> ResultInfo:
        """Keep a result that Databricks computed, as if a session had run it here.

        `rows_file` has a chunk on each line: a JSON array of rows, whose cells are texts or null.
        Raises RemoteRefused for a cell that is not of its column's type.
        """
        arguments = {
            "columns": [[column.name, column.type] for column in columns],
            "rows_file": str(rows_file),
            "result_path": str(result_path),
            "rows_max": rows_max,
            "page": _page_request(page, 0),
        }
        answer = None
        try:
            async with self.pool.acquire(affinity=tenant) as worker:
                answer = await worker.call("remember", arguments, timeout_s=_REMEMBER_TIMEOUT_S)
        finally:
            if answer is None:
                await _remove(result_path.with_name(result_path.name + _PARTIAL))
        return _result(answer, result_path)

    async def warm(self) -> None:
        """Start the children that the first question would have to wait for."""
        await self.pool.warm()

    def retire_idle(self) -> None:
        """Give the memory of idle children back."""
        self.pool.retire_idle()

    def close(self) -> None:
        """End all children at once."""
        self.pool.close()


class SqlSession:
    """One question, in a child that nobody else uses meanwhile."""

    def __init__(self, worker: Worker, ask: Ask) -> None:
        self._worker = worker
        self._ask = ask

    async def begin(self) -> Begun:
        """Check the statement, and answer it at once if it reads no tables.

        Raises SqlRefused or InvalidInput, and what `run` raises.
        """
        answer = await self._call("begin", {})
        found = answer["admitted"]
        admitted = Admitted(
            kind=found["kind"],
            tables=tuple(AdmittedTable(**table) for table in found["tables"]),
            parameters=tuple(found["parameters"]),
            schema=found["schema"],
            pattern=found["pattern"],
        )
        path = self._ask.result_path
        result = None if answer["result"] is None else _result(answer["result"], path)
        return Begun(admitted=admitted, result=result)

    async def describe(self, snapshots: Mapping[str, Snapshot]) -> tuple[Column, ...]:
        """Tell the columns that the query would have, without running it."""
        return _columns(await self._call("describe", snapshots))

    async def run(self, snapshots: Mapping[str, Snapshot]) -> ResultInfo:
        """Run the statement; `snapshots` has the data for each view that `begin` named.

        Raises SqlRefused, SqlFailed, LimitExceeded, NotFound (files that are gone) or TimedOut.
        """
        return _result(await self._call("run", snapshots), self._ask.result_path)

    async def _call(self, method: str, snapshots: Mapping[str, Snapshot]) -> dict[str, Any]:
        ask, answer = self._ask, None
        arguments = {
            "tenant": ask.tenant,
            "sql": ask.sql,
            "catalog": ask.catalog,
            "other_catalogs": list(ask.other_catalogs),
            "parameters": dict(ask.parameters),
            "snapshots": {view: _described(found) for view, found in snapshots.items()},
            "result_path": str(ask.result_path),
            "rows_max": ask.rows_max,
            "page": _page_request(ask.page, 0),
            "progress": ask.on_progress is not None,
        }
        try:
            answer = await self._worker.call(
                method, arguments, timeout_s=ask.timeout_s, on_progress=ask.on_progress
            )
        finally:
            if answer is None:
                await _remove(ask.result_path.with_name(ask.result_path.name + _PARTIAL))
        return answer


def _result(answer: Mapping[str, Any], path: Path) -> ResultInfo:
    columns = _columns(answer)
    return ResultInfo(
        columns=columns,
        row_count=answer["row_count"],
        limit=answer["limit"],
        elapsed_s=answer["elapsed_s"],
        path=path if answer["on_disk"] else None,
        page=_page(answer["page"], columns=columns, row_count=answer["row_count"]),
    )


def _described(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "version": snapshot.version,
        "columns": [[column.name, column.type] for column in snapshot.columns],
        "files": snapshot.files,
        "partition_columns": snapshot.partition_columns,
        "deletion_vectors": [[vector.file, vector.rows] for vector in snapshot.deletion_vectors],
    }


def _page_request(options: PageOptions, offset: int) -> dict[str, Any]:
    return {
        "offset": offset,
        "rows_max": options.rows_max,
        "tokens_max": options.tokens_max,
        "form": options.form,
    }


def _columns(answer: Mapping[str, Any]) -> tuple[Column, ...]:
    return tuple(Column(name=found["name"], type=found["type"]) for found in answer["columns"])


def _page(answer: Mapping[str, Any], *, columns: tuple[Column, ...], row_count: int) -> Page:
    return Page(
        columns=columns,
        rows=answer["rows"],
        row_count=row_count,
        offset=answer["offset"],
        next_offset=answer["next_offset"],
        tokens=answer["tokens"],
        cut_cells=answer["cut_cells"],
    )


async def _remove(path: Path) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.Path(path).unlink(missing_ok=True)
