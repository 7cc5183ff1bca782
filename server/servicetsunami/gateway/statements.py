"""SQL statements: started, followed, fetched chunk by chunk, cancelled, and found again."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import anyio
from pydantic import JsonValue

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.cost import QUERY_TAG
from servicetsunami.domain.dataset import Column
from servicetsunami.errors import RemoteError, RemoteRefused, TimedOut
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient, paged
from servicetsunami.gateway.retry import Replay
from servicetsunami.gateway.sql_errors import statement_error
from servicetsunami.gateway.warehouses import Warehouses

PATH: Final = "/api/2.0/sql/statements"
_HISTORY: Final = "/api/2.0/sql/history/queries"
_HISTORY_MAX: Final = 2_000
_SUCCEEDED: Final = frozenset({"SUCCEEDED", "CLOSED"})
_FAILED: Final = frozenset({"FAILED", "CANCELED"})
_RUNNING: Final = frozenset({"QUEUED", "RUNNING", "PENDING", "STARTED", "COMPILING"})
_POLL_FIRST_S: Final = 0.05
_POLL_MAX_S: Final = 5.0
_LOOK_S: Final = 8.0
"""A look at a statement may take up to 5 s by itself."""
_START_S: Final = 4.0
_CANCEL_S: Final = 3.0

Cells = list[list[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementParameter:
    """A value for a `:name` of a statement: always a text, which Databricks casts to `type`."""

    name: str
    value: str | None
    type: str = "STRING"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRequest:
    """One statement, who pays for it, and the form of its result.

    `json` results come with the answer, in cells of text; `arrow` results are to be downloaded.
    `row_limit` and `byte_limit` cut the result, which then says that it is `truncated`.
    """

    sql: str
    permit: Permit
    catalog: str | None = None
    schema: str | None = None
    parameters: Sequence[StatementParameter] = ()
    row_limit: int | None = None
    byte_limit: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    form: Literal["json", "arrow"] = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement as it was last seen. Counts are None until it has succeeded."""

    id: str
    state: str
    columns: tuple[Column, ...] = ()
    row_count: int | None = None
    chunk_count: int | None = None
    is_truncated: bool = False
    has_result: bool = False
    first: Mapping[str, Any] = field(default_factory=dict)
    error: RemoteError | None = None

    @property
    def is_ended(self) -> bool:
        """Whether it will not change any more; a state that nobody knows is not the end."""
        return self.state in _SUCCEEDED or self.state in _FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A statement as the workspace's query history has it."""

    statement_id: str
    status: str
    text: str

    @property
    def is_running(self) -> bool:
        """Whether it may still change something."""
        return self.status in _RUNNING


class Statements:
    """The verbs of statements; the warehouse is chosen when the first one starts."""

    def __init__(self, client: WorkspaceClient, warehouses: Warehouses) -> None:
        self._client = client
        self._warehouses = warehouses

    async def start(self, request: StatementRequest) -> Statement:
        """Hand a statement in and come back at once with its id.

        A lost answer is not repeated: the statement may be running. Raises a RemoteError within
        about 4 s when the workspace does not answer.
        """
        body: dict[str, Any] = {
            "statement": request.sql,
            "warehouse_id": await self._warehouses.choose(),
            "wait_timeout": "0s",
            "on_wait_timeout": "CONTINUE",
            "disposition": "INLINE" if request.form == "json" else "EXTERNAL_LINKS",
            "format": "JSON_ARRAY" if request.form == "json" else "ARROW_STREAM",
        }
        optional = {
            "catalog": request.catalog,
            "schema": request.schema,
            "row_limit": request.row_limit,
            "byte_limit": request.byte_limit,
            "parameters": [_parameter(each) for each in request.parameters] or None,
            "query_tags": [{"key": k, "value": v} for k, v in _sent_tags(request).items()] or None,
        }
        body |= {name: value for name, value in optional.items() if value is not None}
        answer = await self._client.send(
            "POST",
            PATH,
            body=body,
            replay=Replay.UNSAFE,
            deadline_s=_START_S,
            try_s=_START_S,
            permit=request.permit,
        )
        return _statement(answer)

    async def look(self, statement_id: str) -> Statement:
        """How a statement is now; RemoteNotFound once its result has been forgotten."""
        answer = await self._client.send(
            "GET", f"{PATH}/{statement_id}", replay=Replay.SAFE, try_s=_LOOK_S
        )
        return _statement(answer)

    async def cancel(self, statement_id: str) -> None:
        """Ask for a statement to be stopped; it may still succeed before that."""
        await self._client.send(
            "POST", f"{PATH}/{statement_id}/cancel", replay=Replay.SAFE, deadline_s=_CANCEL_S
        )

    async def follow(self, statement: Statement, *, timeout_s: float) -> Statement:
        """Wait for the end, and return the statement that has succeeded.

        Raises TimedOut, and then it runs on: nothing is cancelled here. Raises the RemoteError
        that a failed statement stands for.
        """
        pause_s = _POLL_FIRST_S
        with anyio.move_on_after(timeout_s):
            while not statement.is_ended:
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 1.6, _POLL_MAX_S)
                statement = await self.look(statement.id)
        if not statement.is_ended:
            raise TimedOut(
                f"Databricks did not end the statement within {timeout_s:g} s "
                f"(it is {statement.state}).",
                "Ask again with a longer timeout_s, or ask for less.",
            )
        if statement.error is not None:
            raise statement.error
        return statement

    @asynccontextmanager
    async def started(self, request: StatementRequest) -> AsyncGenerator[Statement]:
        """Start a statement that is cancelled there when the block does not end well.

        That holds for the caller's own cancellation too, at any moment: also while the answer to
        the start is still on its way.
        """
        # Shielded, or the id of what may run from now on would be lost; it takes 4 s at most.
        with anyio.CancelScope(shield=True):
            statement = await self.start(request)
        try:
            yield statement
        except BaseException:
            with anyio.move_on_after(_CANCEL_S, shield=True), suppress(RemoteError):
                await self.cancel(statement.id)
            raise

    async def run(
        self,
        request: StatementRequest,
        *,
        timeout_s: float,
        on_started: Callable[[str], Awaitable[None]] | None = None,
    ) -> Statement:
        """Start a statement and wait for its end; it is cancelled when that is given up.

        `on_started` learns its id before anything else happens.
        """
        async with self.started(request) as statement:
            if on_started is not None:
                await on_started(statement.id)
            return await self.follow(statement, timeout_s=timeout_s)

    async def rows(self, statement: Statement) -> AsyncIterator[Cells]:
        """All chunks of a `json` result, in order; cells are texts or None.

        Raises RemoteRefused when Databricks has closed the result before it was fetched.
        """
        if statement.state == "CLOSED" and not statement.has_result:
            raise RemoteRefused(
                "Databricks computed the statement, and gave its result up before it was fetched.",
                "Run the query again.",
            )
        chunk: Mapping[str, Any] = statement.first
        seen = set[int]()
        while True:
            yield chunk.get("data_array") or []
            following = chunk.get("next_chunk_index")
            if following is None or following in seen:
                break
            seen.add(following)
            chunk = await self.chunk(statement.id, int(following))

    async def chunk(self, statement_id: str, index: int) -> dict[str, Any]:
        """One chunk of a result as it is on the wire."""
        path = f"{PATH}/{statement_id}/result/chunks/{index}"
        return await self._client.send("GET", path, replay=Replay.SAFE, try_s=_LOOK_S)

    async def history(
        self, *, since: datetime, tags: Mapping[str, str]
    ) -> tuple[HistoryEntry, ...]:
        """Statements of this warehouse since then that carry all of the tags.

        A statement appears here with some delay. The server cannot filter by tag.
        """
        query = {
            "filter_by.warehouse_ids": [await self._warehouses.choose()],
            "filter_by.query_start_time_range.start_time_ms": int(since.timestamp() * 1000),
            "max_results": 100,
        }
        found = await paged(
            self._client, _HISTORY, items="res", query=query, items_max=_HISTORY_MAX
        )
        return tuple(
            HistoryEntry(
                statement_id=str(each.get("query_id")),
                status=str(each.get("status")),
                text=str(each.get("query_text", "")),
            )
            for each in found
            if tags.items() <= _tags(each.get("query_tags")).items()
        )


def _sent_tags(request: StatementRequest) -> dict[str, str]:
    """Its tags, and the one by which the bill of a shared warehouse is split."""
    payer = request.permit.payer
    return {**request.tags, **({} if payer is None else {QUERY_TAG: payer})}


def _parameter(parameter: StatementParameter) -> dict[str, JsonValue]:
    described: dict[str, JsonValue] = {"name": parameter.name, "type": parameter.type}
    # A value that is left out is NULL.
    return described if parameter.value is None else {**described, "value": parameter.value}


def _tags(found: object) -> dict[str, str]:
    if isinstance(found, Mapping):
        return {str(key): str(value) for key, value in found.items()}
    if not isinstance(found, list):
        return {}
    pairs = [each for each in found if isinstance(each, Mapping)]
    return {str(each.get("key")): str(each.get("value", "")) for each in pairs}


def _statement(answer: Mapping[str, Any]) -> Statement:
    with replies.understood("a statement"):
        return _read_statement(answer)


def _read_statement(answer: Mapping[str, Any]) -> Statement:
    status = answer.get("status") or {}
    state = str(status.get("state", "UNKNOWN"))
    manifest, result = answer.get("manifest") or {}, answer.get("result")
    columns = (manifest.get("schema") or {}).get("columns") or []
    error = status.get("error") or {}
    failed = state in _FAILED
    return Statement(
        id=str(answer["statement_id"]),
        state=state,
        columns=tuple(Column(name=str(c["name"]), type=_type(c)) for c in columns),
        row_count=_count(manifest.get("total_row_count")),
        chunk_count=_count(manifest.get("total_chunk_count")),
        is_truncated=bool(manifest.get("truncated")),
        has_result=result is not None,
        first=result or {},
        error=statement_error(
            str(error.get("error_code") or ("CANCELLED" if state == "CANCELED" else state)),
            str(error.get("message") or f"The statement was {state.lower()}."),
        )
        if failed
        else None,
    )


def _type(column: Mapping[str, Any]) -> str:
    """The type as Databricks writes it; the names inside a struct keep their case."""
    text = str(column.get("type_text") or column.get("type_name") or "string")
    return text if "<" in text else text.lower()


def _count(value: object) -> int | None:
    return int(str(value)) if value is not None else None
