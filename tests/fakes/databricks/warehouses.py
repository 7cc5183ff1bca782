"""SQL warehouses, and the query history of all statements."""

import threading
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.errors import missing
from tests.fakes.databricks.state import State

PATH = "/api/2.0/sql/warehouses"
_STATUS = {"SUCCEEDED": "FINISHED", "CLOSED": "FINISHED", "PENDING": "QUEUED"}


class Warehouses:
    """Two of them: one runs, one is stopped and takes `start_s` to start."""

    def __init__(self) -> None:
        self.start_s = 0.0
        self.all: dict[str, dict[str, Any]] = {
            "stopped0000000001": {"name": "a stopped one", "state": "STOPPED"},
            "running0000000002": {"name": "the running one", "state": "RUNNING"},
        }
        self._lock = threading.Lock()

    def get(self, warehouse_id: str) -> dict[str, Any]:
        if warehouse_id not in self.all:
            raise missing(f"SQL warehouse {warehouse_id}")
        found = self.all[warehouse_id]
        return {"id": warehouse_id, "cluster_size": "2X-Small", "warehouse_type": "PRO", **found}

    def wait_until_running(self, warehouse_id: str) -> None:
        """A statement starts a stopped one."""
        with self._lock:
            found = self.all.get(warehouse_id)
            if found is not None and found["state"] != "RUNNING":
                found["state"] = "STARTING"
                time.sleep(self.start_s)
                found["state"] = "RUNNING"


def routes(state: State, wrap: Any) -> list[Route]:
    warehouses: Warehouses = state.sub(Warehouses)

    async def listing(request: Request) -> Response:
        if request.method == "POST":
            body = await request.json()
            warehouses.all[f"made{len(warehouses.all):012}"] = {
                "name": body["name"],
                "state": "STOPPED",
            }
            return JSONResponse({"id": list(warehouses.all)[-1]})
        return JSONResponse({"warehouses": [warehouses.get(each) for each in warehouses.all]})

    async def one(request: Request) -> Response:
        return JSONResponse(warehouses.get(request.path_params["id"]))

    async def change(request: Request) -> Response:
        warehouse_id, verb = request.path_params["id"], request.path_params["verb"]
        warehouses.get(warehouse_id)
        warehouses.all[warehouse_id]["state"] = "RUNNING" if verb == "start" else "STOPPED"
        return JSONResponse({})

    async def history(request: Request) -> Response:
        from tests.fakes.databricks.statements import Statements  # noqa: PLC0415 (a cycle)

        query = request.query_params
        since = float(query.get("filter_by.query_start_time_range.start_time_ms") or 0) / 1000
        wanted = query.getlist("filter_by.warehouse_ids")
        found = [
            {
                "query_id": each.id,
                "query_text": each.sql,
                "query_tags": each.tags,
                "status": _STATUS.get(each.state, each.state),
                "warehouse_id": each.warehouse_id,
                "user_name": "agent@example.com",
            }
            for each in state.sub(Statements).all.values()
            if each.started_at >= since and (not wanted or each.warehouse_id in wanted)
        ]
        size, start = int(query.get("max_results") or 100), int(query.get("page_token") or 0)
        more = start + size < len(found)
        answer: dict[str, Any] = {"res": found[start : start + size], "has_next_page": more}
        return JSONResponse({**answer, **({"next_page_token": str(start + size)} if more else {})})

    return [
        Route(PATH, wrap(listing), methods=["GET", "POST"]),
        Route(f"{PATH}/{{id}}", wrap(one)),
        Route(f"{PATH}/{{id}}/{{verb}}", wrap(change), methods=["POST"]),
        Route("/api/2.0/sql/history/queries", wrap(history)),
    ]
