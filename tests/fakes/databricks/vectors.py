"""Vector search: endpoints, indexes that are filled directly or from a table, exact queries."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.errors import ApiError, exists, invalid, missing
from tests.fakes.databricks.state import State

BASE = "/api/2.0/vector-search"
_OPERATORS = {
    "": lambda a, b: a in b if isinstance(b, list) else a == b,
    "NOT": lambda a, b: a not in b if isinstance(b, list) else a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "LIKE": lambda a, b: b.lower() in str(a).lower(),
}


@dataclass
class Index:
    spec: dict[str, Any]
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks_left: int = 1

    @property
    def name(self) -> str:
        return self.spec["name"]

    @property
    def key(self) -> str:
        return self.spec["primary_key"]

    @property
    def inner(self) -> dict[str, Any]:
        return self.spec.get("direct_access_index_spec") or self.spec["delta_sync_index_spec"]


@dataclass
class Vectors:
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    pending_deletion: dict[str, int] = field(default_factory=dict)

    def endpoint(self, name: str) -> dict[str, Any]:
        if name not in self.endpoints:
            raise missing(f"Endpoint {name}")
        return self.endpoints[name]

    def index(self, name: str) -> Index:
        if name not in self.indexes:
            raise missing(f"Index {name}")
        return self.indexes[name]


def _endpoint_routes(vectors: Vectors, wrap: Any) -> list[Route]:
    async def many(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"endpoints": list(vectors.endpoints.values())})
        body = await request.json()
        if body["name"] in vectors.endpoints:
            raise exists(f"Endpoint {body['name']}")
        vectors.endpoints[body["name"]] = {
            **body, "id": f"id-{body['name']}", "num_indexes": 0,
            "endpoint_status": {"state": "PROVISIONING"},
        }  # fmt: skip
        return JSONResponse(vectors.endpoints[body["name"]])

    async def one(request: Request) -> Response:
        endpoint = vectors.endpoint(request.path_params["name"])
        if request.method == "DELETE":
            del vectors.endpoints[endpoint["name"]]
            return JSONResponse({})
        answer = JSONResponse(endpoint)
        endpoint["endpoint_status"] = {"state": "ONLINE"}
        return answer

    return [
        Route(f"{BASE}/endpoints", wrap(many), methods=["GET", "POST"]),
        Route(f"{BASE}/endpoints/{{name}}", wrap(one), methods=["GET", "DELETE"]),
    ]


def _info(index: Index) -> dict[str, Any]:
    direct = index.spec["index_type"] == "DIRECT_ACCESS"
    online = "ONLINE_DIRECT_ACCESS" if direct else "ONLINE_NO_PENDING_UPDATE"
    ready = index.looks_left <= 0
    status = {
        "ready": ready,
        "detailed_state": online if ready else "PROVISIONING",
        "indexed_row_count": len(index.rows),
    }
    return {**index.spec, "status": status}


def _index_routes(vectors: Vectors, wrap: Any) -> list[Route]:
    async def many(request: Request) -> Response:
        if request.method == "GET":
            endpoint = request.query_params.get("endpoint_name")
            found = [
                {k: v for k, v in each.spec.items() if not k.endswith("_spec")}
                for each in vectors.indexes.values()
                if endpoint in (None, each.spec["endpoint_name"])
            ]
            return JSONResponse({"vector_indexes": found})
        spec = await request.json()
        name = spec["name"]
        vectors.endpoint(spec["endpoint_name"])
        if vectors.pending_deletion.get(name, 0) > 0:
            vectors.pending_deletion[name] -= 1
            raise invalid(f"Index {name} is currently pending deletion, try again later.")
        if name in vectors.indexes:
            raise exists(f"Index {name}")
        vectors.indexes[name] = Index(spec)
        return JSONResponse(_info(vectors.indexes[name]))

    async def one(request: Request) -> Response:
        index = vectors.index(request.path_params["name"])
        if request.method == "DELETE":
            del vectors.indexes[index.name]
            vectors.pending_deletion[index.name] = 1
            return JSONResponse({})
        index.looks_left -= 1
        return JSONResponse(_info(index))

    async def sync(request: Request) -> Response:
        index = vectors.index(request.path_params["name"])
        if index.looks_left > 0:
            message = "Index is not ready to sync yet. Pipeline is in state RUNNING."
            raise ApiError(400, "BAD_REQUEST", message)
        return JSONResponse({})

    path = f"{BASE}/indexes"
    return [
        Route(path, wrap(many), methods=["GET", "POST"]),
        Route(f"{path}/{{name}}/sync", wrap(sync), methods=["POST"]),
        Route(f"{path}/{{name}}", wrap(one), methods=["GET", "DELETE"]),
    ]


def _data_routes(vectors: Vectors, wrap: Any) -> list[Route]:
    async def upsert(request: Request) -> Response:
        index = vectors.index(request.path_params["name"])
        failed = []
        for row in json.loads((await request.json())["inputs_json"]):
            if row.get(index.key) is None:
                failed.append("null")
                continue
            index.rows[str(row[index.key])] = row
        status = "PARTIAL_SUCCESS" if failed else "SUCCESS"
        result = {"success_row_count": len(index.rows), "failed_primary_keys": failed}
        return JSONResponse({"status": status, "result": result})

    async def delete(request: Request) -> Response:
        index = vectors.index(request.path_params["name"])
        body = await request.body()
        keys = request.query_params.getlist("primary_keys")
        keys = keys or json.loads(body or b"{}").get("primary_keys") or []
        gone = [key for key in keys if index.rows.pop(str(key), None) is not None]
        return JSONResponse({"status": "SUCCESS", "result": {"success_row_count": len(gone)}})

    async def scan(request: Request) -> Response:
        index, body = vectors.index(request.path_params["name"]), await request.json()
        keys = sorted(index.rows)
        after = body.get("last_primary_key")
        keys = [key for key in keys if after is None or key > after][: body["num_results"]]
        data = [
            {"fields": [{"key": k, "value": _struct(v)} for k, v in index.rows[key].items()]}
            for key in keys
        ]
        return JSONResponse({"data": data, "last_primary_key": keys[-1] if keys else None})

    async def query(request: Request) -> Response:
        index = vectors.index(request.path_params["name"])
        return JSONResponse(_found(index, await request.json()))

    path = f"{BASE}/indexes/{{name}}"
    return [
        Route(f"{path}/upsert-data", wrap(upsert), methods=["POST"]),
        Route(f"{path}/delete-data", wrap(delete), methods=["DELETE"]),
        Route(f"{path}/scan", wrap(scan), methods=["POST"]),
        Route(f"{path}/query", wrap(query), methods=["POST"]),
    ]


def _struct(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int | float):
        return {"number_value": value}
    if isinstance(value, list):
        return {"list_value": {"values": [_struct(each) for each in value]}}
    return {"string_value": str(value)}


def _found(index: Index, body: dict[str, Any]) -> dict[str, Any]:
    columns = index.inner.get("embedding_vector_columns") or []
    vector, text = body.get("query_vector"), body.get("query_text")
    if columns and vector is None:
        raise invalid("query_vector is required for this index.")
    if not columns and text is None:
        raise invalid("query_text is required for this index.")
    filters = json.loads(body.get("filters_json") or "{}")
    rows = [row for row in index.rows.values() if _fits(row, filters)]
    scored = sorted(
        ((_score(row, columns, vector, text), row) for row in rows), key=lambda pair: -pair[0]
    )
    shown = scored[: int(body.get("num_results") or 10)]
    names = [*body["columns"], "score"]
    data = [[*[row.get(name) for name in body["columns"]], score] for score, row in shown]
    described = [{"name": name} for name in names]
    result: dict[str, Any] = {"row_count": len(data)}
    return {
        "manifest": {"column_count": len(names), "columns": described},
        "result": result | ({"data_array": data} if data else {}),
    }


def _score(row: dict[str, Any], columns: list, vector: list | None, text: str | None) -> float:
    if columns and vector is not None:
        distance = math.dist(row[columns[0]["name"]], vector)
        return 1 / (1 + distance**2)
    words = set(str(text).lower().split())
    return float(len(words & set(" ".join(map(str, row.values())).lower().split())))


def _fits(row: dict[str, Any], filters: dict[str, Any]) -> bool:
    for name, wanted in filters.items():
        column, _, operator = name.partition(" ")
        if not _OPERATORS[operator](row.get(column), wanted):
            return False
    return True


def routes(state: State, wrap: Any) -> list[Route]:
    vectors: Vectors = state.sub(Vectors)
    return [
        *_endpoint_routes(vectors, wrap),
        *_data_routes(vectors, wrap),
        *_index_routes(vectors, wrap),
    ]
