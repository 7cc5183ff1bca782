"""Vector search: endpoints, and indexes that are filled directly or follow a table."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks import vector_queries
from tests.fakes.databricks.errors import ApiError, exists, invalid, missing
from tests.fakes.databricks.sql import tables
from tests.fakes.databricks.state import FakeTable, State

BASE = "/api/2.0/vector-search"
NAME = re.compile(r"\w+\.\w+\.\w+", re.ASCII)
TYPES = {
    "integer": "int", "int": "int", "long": "bigint", "bigint": "bigint", "float": "float",
    "double": "double", "boolean": "boolean", "string": "string", "date": "date",
    "timestamp": "timestamp", "array<float>": "array<float>", "array<double>": "array<double>",
}  # fmt: skip
CHANGE_FEED = "delta.enableChangeDataFeed"
Row = dict[str, Any]


@dataclass
class Endpoint:
    name: str
    kind: str
    looks_left: int
    id: str = field(default_factory=lambda: str(uuid4()))
    state: str | None = None

    def info(self) -> dict[str, Any]:
        """As a look sees it: an endpoint comes while it is waited for."""
        self.looks_left -= 1
        state = self.state or ("ONLINE" if self.looks_left < 0 else "PROVISIONING")
        return {
            "name": self.name, "id": self.id, "endpoint_type": self.kind, "num_indexes": 0,
            "endpoint_status": {"state": state},
        }  # fmt: skip


@dataclass
class Index:
    """`rows` are what is seen. What was put and what an update reads is seen only later."""

    spec: dict[str, Any]
    endpoint_id: str
    looks_left: int
    columns: dict[str, str] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    late: list[tuple[str, Row | None]] = field(default_factory=list)
    reads_left: int = 0
    update: dict[str, Row] | None = None
    update_looks: int = 0
    failure: str | None = None
    failing: int = 0
    has_failed: bool = False

    @property
    def name(self) -> str:
        return self.spec["name"]

    @property
    def key(self) -> str:
        return self.spec["primary_key"]

    @property
    def is_direct(self) -> bool:
        return self.spec["index_type"] == "DIRECT_ACCESS"

    @property
    def inner(self) -> dict[str, Any]:
        return self.spec["direct_access_index_spec" if self.is_direct else "delta_sync_index_spec"]

    @property
    def vectors(self) -> dict[str, int]:
        columns = self.inner.get("embedding_vector_columns") or []
        return {each["name"]: each["embedding_dimension"] for each in columns}

    @property
    def embedded(self) -> list[str]:
        return [each["name"] for each in self.inner.get("embedding_source_columns") or []]

    def seen(self) -> dict[str, Row]:
        """The rows as a reader sees them now."""
        self.reads_left -= 1
        if self.reads_left < 0:
            for key, row in self.late:
                if row is None:
                    self.rows.pop(key, None)
                else:
                    self.rows[key] = row
            self.late = []
        return self.rows


@dataclass
class Vectors:
    """`endpoint_looks` and the like say how often one has to look until something is there."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    pending_deletion: dict[str, int] = field(default_factory=dict)
    pages: dict[str, tuple[list, dict]] = field(default_factory=dict)
    endpoint_looks: int = 1
    index_looks: int = 1
    update_looks: int = 1
    deletion_tries: int = 1
    late_reads: int = 0
    page_rows: int = 1_000
    speaks_camel: bool = False
    cells_as_text: bool = False
    refused: dict[str, int] = field(default_factory=dict)
    """Keys of rows that are not taken, and how often."""

    def endpoint(self, name: str) -> Endpoint:
        if name not in self.endpoints:
            raise missing(f"Endpoint {name}")
        return self.endpoints[name]

    def index(self, name: str) -> Index:
        if name not in self.indexes:
            raise missing(f"Index {name}")
        return self.indexes[name]

    def is_orphan(self, index: Index) -> bool:
        endpoint = self.endpoints.get(index.spec["endpoint_name"])
        return endpoint is None or endpoint.id != index.endpoint_id

    def online(self, name: str) -> Index:
        """The index, if it answers."""
        index = self.index(name)
        if self.is_orphan(index):
            raise missing(f"Endpoint of index {name}")
        if index.looks_left >= 0 or index.failure:
            raise invalid(f"Index {name} is not ready.")
        return index


def _endpoint_routes(vectors: Vectors, wrap: Any) -> list[Route]:
    async def many(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"endpoints": [each.info() for each in vectors.endpoints.values()]})
        body = await request.json()
        if body["name"] in vectors.endpoints:
            raise exists(f"Endpoint {body['name']}")
        made = Endpoint(body["name"], body["endpoint_type"], vectors.endpoint_looks)
        vectors.endpoints[made.name] = made
        return JSONResponse(made.info())

    async def one(request: Request) -> Response:
        endpoint = vectors.endpoint(request.path_params["name"])
        if request.method == "DELETE":
            del vectors.endpoints[endpoint.name]
            return JSONResponse({})
        return JSONResponse(endpoint.info())

    return [
        Route(f"{BASE}/endpoints", wrap(many), methods=["GET", "POST"]),
        Route(f"{BASE}/endpoints/{{name}}", wrap(one), methods=["GET", "DELETE"]),
    ]


def _table(state: State, index: Index) -> FakeTable:
    """The source of an index, if it can be followed."""
    name = index.inner["source_table"]
    found = state.tables().get(name)
    if found is None:
        raise missing(f"Table '{name}'")
    if found.properties.get(CHANGE_FEED) != "true":
        raise invalid(f"Change data feed must be enabled on the source table {name}.")
    return found


def _rows(index: Index, table: FakeTable) -> dict[str, Row]:
    """What the table holds now; rows that an index cannot hold are left out."""
    with tables.connection() as db:
        tables.view(db, "t", table.versions[-1])
        found = db.execute("SELECT * FROM t")
        names = [each[0] for each in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    needed = {index.key, *index.vectors}
    kept = [row for row in rows if all(row.get(name) is not None for name in needed)]
    return {str(row[index.key]): {name: row.get(name) for name in index.columns} for row in kept}


def _checked(state: State, vectors: Vectors, spec: dict[str, Any]) -> Index:
    """A new index, if it is one that can be."""
    name = spec["name"]
    if NAME.fullmatch(name) is None:
        raise invalid(f"Invalid index name {name}.")
    endpoint = vectors.endpoint(spec["endpoint_name"])
    if vectors.pending_deletion.get(name, 0) > 0:
        vectors.pending_deletion[name] -= 1
        raise invalid(f"Index {name} is currently pending deletion, try again later.")
    if name in vectors.indexes or name in state.tables():
        raise exists(f"Index or table {name}")
    state.schema(*name.split(".")[:2])
    index = Index(spec, endpoint.id, vectors.index_looks)
    if index.is_direct:
        given = json.loads(index.inner["schema_json"])
        unknown = set(given.values()) - set(TYPES)
        if unknown:
            raise invalid(f"Unsupported types {sorted(unknown)} in schema_json.")
        index.columns = {column: TYPES[kind] for column, kind in sorted(given.items())}
        index.inner["schema_json"] = json.dumps(index.columns)
    else:
        wanted = index.inner.get("columns_to_sync")
        columns = dict(_table(state, index).columns)
        index.columns = {c: kind for c, kind in columns.items() if not wanted or c in wanted}
    for column in (index.key, *index.vectors, *index.embedded):
        if column not in index.columns:
            raise invalid(f"Column {column} does not exist.")
    return index


def _info(state: State, vectors: Vectors, index: Index) -> dict[str, Any]:
    """As a look sees it; looking is what makes time pass."""
    if index.looks_left >= 0:
        index.looks_left -= 1
        if index.looks_left < 0 and not index.is_direct:
            index.rows = _rows(index, _table(state, index))
    elif index.update is not None:
        index.update_looks -= 1
        if index.update_looks < 0:
            index.rows, index.update = index.update, None
    return {
        **index.spec,
        "endpoint_id": index.endpoint_id,
        "creator": "agent@example.com",
        "status": {
            "ready": index.looks_left < 0,
            "detailed_state": _detailed(vectors, index),
            "message": index.failure or "",
            "indexed_row_count": len(index.rows),
        },
    }


def _detailed(vectors: Vectors, index: Index) -> str:
    if index.failure:
        return "OFFLINE_FAILED"
    if vectors.is_orphan(index):
        return "OFFLINE"
    if index.looks_left >= 0:
        return "PROVISIONING_INITIAL_SNAPSHOT"
    if index.is_direct:
        return "ONLINE_DIRECT_ACCESS"
    if index.has_failed:
        return "ONLINE_PIPELINE_FAILED"
    return "ONLINE_TRIGGERED_UPDATE" if index.update is not None else "ONLINE_NO_PENDING_UPDATE"


def _index_routes(state: State, vectors: Vectors, wrap: Any) -> list[Route]:
    async def many(request: Request) -> Response:
        if request.method == "GET":
            name = request.path_params.get("endpoint") or request.query_params["endpoint_name"]
            endpoint = vectors.endpoint(name)
            found = [
                {k: v for k, v in each.spec.items() if not k.endswith("_spec")}
                for each in vectors.indexes.values()
                if each.spec["endpoint_name"] == endpoint.name
            ]
            return JSONResponse({"vector_indexes": found})
        spec = await request.json()
        spec.setdefault("endpoint_name", request.path_params.get("endpoint"))
        with state.lock:
            made = _checked(state, vectors, spec)
            vectors.indexes[made.name] = made
            return JSONResponse(_info(state, vectors, made))

    async def one(request: Request) -> Response:
        index = vectors.index(request.path_params["name"])
        if request.method == "DELETE":
            del vectors.indexes[index.name]
            vectors.pending_deletion[index.name] = vectors.deletion_tries
            return JSONResponse({})
        return JSONResponse(_info(state, vectors, index))

    async def sync(request: Request) -> Response:
        index = vectors.index(request.path_params["name"])
        if index.is_direct:
            raise invalid("Only Delta Sync indexes can be synced.")
        if index.looks_left >= 0 or index.update is not None:
            message = "Index is not ready to sync yet. Pipeline is in state RUNNING."
            raise ApiError(400, "BAD_REQUEST", message)
        index.has_failed = index.failing > 0
        if index.has_failed:
            index.failing -= 1
            return JSONResponse({})
        with state.lock:
            index.update = _rows(index, _table(state, index))
        index.update_looks = vectors.update_looks
        return JSONResponse({})

    # The older paths name the endpoint as well; the official search client uses them.
    bases = (f"{BASE}/indexes", f"{BASE}/endpoints/{{endpoint}}/indexes")
    return [
        route
        for path in bases
        for route in (
            Route(path, wrap(many), methods=["GET", "POST"]),
            Route(f"{path}/{{name}}/sync", wrap(sync), methods=["POST"]),
            Route(f"{path}/{{name}}", wrap(one), methods=["GET", "DELETE"]),
        )
    ]


def _refuses(vectors: Vectors, index: Index, row: Row) -> bool:
    key, left = str(row.get(index.key)), 0
    left = vectors.refused.get(key, 0)
    if left:
        vectors.refused[key] = left - 1
    wrong = any(len(row.get(c) or ()) != dimension for c, dimension in index.vectors.items())
    return bool(left) or wrong or row.get(index.key) is None or not row.keys() <= set(index.columns)


def _data_routes(vectors: Vectors, wrap: Any) -> list[Route]:
    def put(index: Index, changes: list[tuple[str, Row | None]]) -> None:
        index.late += changes
        index.reads_left = vectors.late_reads
        if not index.reads_left:
            index.seen()

    async def upsert(request: Request) -> Response:
        index = vectors.online(request.path_params["name"])
        if not index.is_direct:
            raise invalid("Rows are put into direct access indexes only.")
        rows = json.loads((await request.json())["inputs_json"])
        failed = [row for row in rows if _refuses(vectors, index, row)]
        taken = [row for row in rows if row not in failed]
        put(index, [(str(row[index.key]), row) for row in taken])
        status = "SUCCESS" if not failed else "PARTIAL_SUCCESS" if taken else "FAILURE"
        result = {
            "success_row_count": len(taken),
            "failed_primary_keys": [str(row.get(index.key)) for row in failed],
        }
        return JSONResponse({"status": status, "result": result})

    async def delete(request: Request) -> Response:
        index = vectors.online(request.path_params["name"])
        body = await request.body()
        keys = request.query_params.getlist("primary_keys")
        keys = keys or json.loads(body or b"{}").get("primary_keys") or []
        put(index, [(str(key), None) for key in keys])
        return JSONResponse({"status": "SUCCESS", "result": {"success_row_count": len(keys)}})

    path = f"{BASE}/indexes/{{name}}"
    return [
        Route(f"{path}/upsert-data", wrap(upsert), methods=["POST"]),
        Route(f"{path}/delete-data", wrap(delete), methods=["DELETE"]),
        *vector_queries.routes(vectors, wrap),
    ]


def routes(state: State, wrap: Any) -> list[Route]:
    vectors: Vectors = state.sub(Vectors)
    return [
        *_endpoint_routes(vectors, wrap),
        *_data_routes(vectors, wrap),
        *_index_routes(state, vectors, wrap),
    ]
