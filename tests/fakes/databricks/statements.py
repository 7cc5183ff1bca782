"""The Statement Execution API: states, waiting, chunks, links that expire, cancel, history."""

import io
import re
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.catalogs import type_name
from tests.fakes.databricks.errors import ApiError, invalid
from tests.fakes.databricks.sql import running
from tests.fakes.databricks.sql.cells import cells
from tests.fakes.databricks.sql.failures import SqlError
from tests.fakes.databricks.sql.selects import Spilled
from tests.fakes.databricks.state import State
from tests.fakes.databricks.warehouses import Warehouses

PATH = "/api/2.0/sql/statements"
INLINE_BYTES_MAX = 25 * 2**20
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "CLOSED"})
_POLL_S = 0.005


@dataclass
class FakeStatement:
    """One statement, from its start to an hour after its end."""

    id: str
    sql: str
    warehouse_id: str
    form: str
    disposition: str
    byte_limit: int | None
    tags: list[dict[str, str]]
    parameters: tuple[dict[str, Any], ...]
    started_at: float
    state: str = "PENDING"
    error: dict[str, str] | None = None
    result: Spilled | None = None
    is_cancelled: bool = False
    ended: threading.Event = field(default_factory=threading.Event)


class Statements:
    """All statements, and how they are to behave: `delay_s` is how long each one takes at least."""

    def __init__(self) -> None:
        self.all: dict[str, FakeStatement] = {}
        self.delay_s = 0.0
        self.chunk_rows = 1000
        self.link_ttl_s = 900.0
        self.links: dict[str, tuple[str, int, float]] = {}
        self.failures: list[tuple[str, SqlError]] = []
        """(pattern, error): the next statement that fits fails so, once for each entry."""
        self.close_after_success = False
        self.pool = ThreadPoolExecutor(8)

    def get(self, statement_id: str) -> FakeStatement:
        if statement_id not in self.all:
            raise ApiError(404, "NOT_FOUND", f"Statement {statement_id} was not found.")
        return self.all[statement_id]

    def take_failure(self, sql: str) -> SqlError | None:
        for at, (pattern, error) in enumerate(self.failures):
            if re.search(pattern, sql, re.IGNORECASE):
                del self.failures[at]
                return error
        return None


def _begin(state: State, body: dict[str, Any]) -> FakeStatement:
    statements: Statements = state.sub(Statements)
    form, disposition = body.get("format", "JSON_ARRAY"), body.get("disposition", "INLINE")
    if disposition == "INLINE" and form != "JSON_ARRAY":
        raise invalid(f"The format {form} needs the disposition EXTERNAL_LINKS.")
    if not body.get("warehouse_id"):
        raise invalid("warehouse_id is required.")
    statement = FakeStatement(
        id=f"01ef-{secrets.token_hex(12)}",
        sql=str(body["statement"]),
        warehouse_id=body["warehouse_id"],
        form=form,
        disposition=disposition,
        byte_limit=body.get("byte_limit"),
        tags=body.get("query_tags") or [],
        parameters=tuple(body.get("parameters") or ()),
        started_at=state.clock(),
    )
    statements.all[statement.id] = statement
    order = running.Order(
        sql=statement.sql,
        catalog=body.get("catalog") or "main",
        schema=body.get("schema") or "default",
        parameters=statement.parameters,
        row_limit=body.get("row_limit"),
        chunk_rows=statements.chunk_rows,
    )
    statements.pool.submit(_execute, state, statement, order)
    return statement


def _execute(state: State, statement: FakeStatement, order: running.Order) -> None:
    statements: Statements = state.sub(Statements)
    warehouses: Warehouses = state.sub(Warehouses)
    try:
        warehouses.wait_until_running(statement.warehouse_id)
        statement.state = "RUNNING"
        until = time.monotonic() + statements.delay_s
        while time.monotonic() < until and not statement.is_cancelled:
            time.sleep(_POLL_S)
        if statement.is_cancelled:
            statement.state = "CANCELED"
            return
        failure = statements.take_failure(statement.sql)
        if failure is not None:
            raise failure
        path = state.folder / "results" / f"{statement.id}.arrow"
        statement.result = running.run(state, order, path)
        statement.state = "SUCCEEDED"
    except SqlError as error:
        statement.error = {"error_code": error.code, "message": error.message}
        statement.state = "FAILED"
    except Exception as error:  # a bug of the fake must not look like a hang
        statement.error = {"error_code": "INTERNAL_ERROR", "message": repr(error)}
        statement.state = "FAILED"
        raise
    finally:
        statement.ended.set()


def _wait_s(text: str) -> float:
    found = re.fullmatch(r"(\d+)s", text)
    seconds = int(found[1]) if found else -1
    if seconds != 0 and not 5 <= seconds <= 50:
        raise invalid("wait_timeout must be 0s or between 5s and 50s.")
    return float(seconds)


def _answer(state: State, request: Request, statement: FakeStatement) -> dict[str, Any]:
    status: dict[str, Any] = {"state": statement.state}
    if statement.error:
        status |= {"error": statement.error, "sql_state": "42000"}
    answer: dict[str, Any] = {"statement_id": statement.id, "status": status}
    if statement.state != "SUCCEEDED" or statement.result is None:
        return answer
    result, chunks, offset = statement.result, [], 0
    for at, count in enumerate(result.counts):
        chunks.append({"chunk_index": at, "row_offset": offset, "row_count": count})
        offset += count
    columns = [
        {
            "name": name,
            "type_text": kind.upper() if "<" not in kind else kind,
            "type_name": type_name(kind),
            "position": at,
        }
        for at, (name, kind) in enumerate(result.columns)
    ]
    answer["manifest"] = {
        "format": statement.form,
        "schema": {"column_count": len(columns), "columns": columns},
        "chunks": chunks,
        "total_chunk_count": len(chunks),
        "total_row_count": result.row_count,
        "truncated": result.is_truncated,
    }
    answer["result"] = _chunk(state, request, statement, 0) if chunks else {}
    return answer


def _chunk(state: State, request: Request, statement: FakeStatement, index: int) -> dict[str, Any]:
    statements: Statements = state.sub(Statements)
    result = statement.result
    if result is None or not 0 <= index < len(result.counts):
        raise invalid(f"There is no chunk {index}.")
    chunk: dict[str, Any] = {
        "chunk_index": index,
        "row_offset": sum(result.counts[:index]),
        "row_count": result.counts[index],
    }
    if index + 1 < len(result.counts):
        chunk["next_chunk_index"] = index + 1
        chunk["next_chunk_internal_link"] = f"{PATH}/{statement.id}/result/chunks/{index + 1}"
    if statement.disposition == "INLINE":
        kinds = [kind for _, kind in result.columns]
        return {**chunk, "data_array": cells(result.batch(index), kinds)}
    key, ends_at = secrets.token_urlsafe(12), state.clock() + statements.link_ttl_s
    statements.links[key] = (statement.id, index, ends_at)
    link = {
        **chunk,
        "external_link": f"{request.base_url}__store__/{key}",
        "expiration": datetime.fromtimestamp(ends_at, UTC).isoformat(),
        "http_headers": {"x-fake-signature": key},
    }
    return {"external_links": [link]}


def _stored(state: State, statement: FakeStatement, index: int) -> bytes:
    result = statement.result
    assert result is not None
    batch = result.batch(index)
    if statement.form != "ARROW_STREAM":
        kinds = [kind for _, kind in result.columns]
        return bytes(JSONResponse(cells(batch, kinds)).body)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _verbs(state: State, wrap: Any) -> list[Route]:
    statements: Statements = state.sub(Statements)

    async def start(request: Request) -> Response:
        body = await request.json()
        wait_s = _wait_s(body.get("wait_timeout", "10s"))
        statement = _begin(state, body)
        if wait_s:
            await to_thread.run_sync(statement.ended.wait, wait_s)
        if statement.state not in ENDED and body.get("on_wait_timeout") == "CANCEL":
            statement.is_cancelled = True
        answer = await to_thread.run_sync(_answer, state, request, statement)
        return JSONResponse(answer if wait_s else _pending(answer))

    async def look(request: Request) -> Response:
        statement = statements.get(request.path_params["id"])
        if statements.close_after_success and statement.state == "SUCCEEDED":
            status = {"state": "CLOSED"}
            return JSONResponse({"statement_id": statement.id, "status": status})
        return JSONResponse(await to_thread.run_sync(_answer, state, request, statement))

    async def cancel(request: Request) -> Response:
        statements.get(request.path_params["id"]).is_cancelled = True
        return JSONResponse({})

    return [
        Route(PATH, wrap(start), methods=["POST"]),
        Route(f"{PATH}/{{id}}", wrap(look)),
        Route(f"{PATH}/{{id}}/cancel", wrap(cancel), methods=["POST"]),
    ]


def _results(state: State, wrap: Any) -> list[Route]:
    statements: Statements = state.sub(Statements)

    async def chunk(request: Request) -> Response:
        statement = statements.get(request.path_params["id"])
        index = int(request.path_params["index"])
        return JSONResponse(await to_thread.run_sync(_chunk, state, request, statement, index))

    async def store(request: Request) -> Response:
        key = request.path_params["key"]
        statement_id, index, ends_at = statements.links.get(key, ("", 0, 0.0))
        signed = request.headers.get("x-fake-signature") == key
        if "authorization" in request.headers or not signed:
            return Response("<Error><Code>AccessDenied</Code></Error>", status_code=403)
        if state.clock() >= ends_at:
            return Response("<Error>Request has expired</Error>", status_code=403)
        statement = statements.get(statement_id)
        return Response(await to_thread.run_sync(_stored, state, statement, index))

    return [
        Route(f"{PATH}/{{id}}/result/chunks/{{index:int}}", wrap(chunk)),
        Route("/__store__/{key}", store),
    ]


def routes(state: State, wrap: Any) -> list[Route]:
    return [*_verbs(state, wrap), *_results(state, wrap)]


def _pending(answer: dict[str, Any]) -> dict[str, Any]:
    """What a start without waiting says, however quickly the statement ended."""
    return {"statement_id": answer["statement_id"], "status": {"state": "PENDING"}}
