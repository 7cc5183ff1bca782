"""Steers the fake from another process: trouble, outages, and a look at what it holds."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.faults import Fault, Faults
from tests.fakes.databricks.state import State


@dataclass
class Kept:
    """The recorder of requests, for those who ask from outside."""

    recorder: Any = field(default=None)


def remember(state: State, recorder: Any) -> None:
    state.sub(Kept).recorder = recorder


def routes(state: State, faults: Faults) -> list[Route]:
    async def trouble(request: Request) -> Response:
        if request.method == "DELETE":
            faults.clear()
        else:
            faults.add(Fault(**await request.json()))
        return JSONResponse({})

    async def tables(request: Request) -> Response:
        found = {
            name: {"columns": table.columns, "history": table.history}
            for name, table in state.tables().items()
        }
        return JSONResponse(found)

    async def requests(request: Request) -> Response:
        recorded = state.sub(Kept).recorder.requests
        return JSONResponse([[each.method, each.path] for each in recorded])

    return [
        Route("/__fake__/faults", trouble, methods=["POST", "DELETE"]),
        Route("/__fake__/tables", tables),
        Route("/__fake__/requests", requests),
    ]
