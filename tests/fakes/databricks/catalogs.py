"""Unity Catalog over REST: catalogs, schemas, volumes, tables."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.auth import USER
from tests.fakes.databricks.errors import ApiError, exists, invalid, missing
from tests.fakes.databricks.state import WORKSPACE_ID, Catalog, FakeTable, Schema, State, split

BASE = "/api/2.1/unity-catalog"
PAGE_ITEMS = 3
_TYPE_NAMES = {"bigint": "LONG", "int": "INT", "smallint": "SHORT", "tinyint": "BYTE"}


def catalog_info(catalog: Catalog) -> dict[str, Any]:
    return {
        "name": catalog.name,
        "full_name": catalog.name,
        "owner": USER,
        "catalog_type": "MANAGED_CATALOG",
        "comment": catalog.comment,
        "metastore_id": "metastore",
    }


def schema_info(catalog: str, schema: Schema) -> dict[str, Any]:
    full_name = f"{catalog}.{schema.name}"
    return {"name": schema.name, "catalog_name": catalog, "full_name": full_name, "owner": USER}


def table_info(table: FakeTable, *, is_short: bool = False) -> dict[str, Any]:
    catalog, schema, name = split(table.full_name, 3)
    info: dict[str, Any] = {
        "name": name,
        "catalog_name": catalog,
        "schema_name": schema,
        "full_name": table.full_name,
        "table_type": table.kind,
        "data_source_format": "DELTA",
        "table_id": table.table_id,
        "owner": USER,
        "updated_at": int(table.versions[-1].at * 1000),
    }
    if not is_short:
        info["columns"] = [
            {
                "name": column,
                "type_text": kind,
                "type_name": type_name(kind),
                "position": at,
                "nullable": True,
            }
            for at, (column, kind) in enumerate(table.columns)
        ]
        info["properties"] = {**table.properties, "delta.minReaderVersion": "1"}
    return info


def type_name(kind: str) -> str:
    root = kind.split("(", maxsplit=1)[0].split("<", maxsplit=1)[0].lower()
    return _TYPE_NAMES.get(root, root.split()[0].upper())


def page(request: Request, name: str, items: list[dict[str, Any]]) -> Response:
    """One page; the first is empty and still names a next one, as the real lists may."""
    if "max_results" not in request.query_params:
        return JSONResponse({name: items} if items else {})
    token = request.query_params.get("page_token")
    start = int(token or 0)
    if token is None:
        return JSONResponse({"next_page_token": "0"})
    shown, rest = items[start : start + PAGE_ITEMS], start + PAGE_ITEMS < len(items)
    answer: dict[str, Any] = {name: shown} if shown else {}
    return JSONResponse({**answer, "next_page_token": str(start + PAGE_ITEMS) if rest else ""})


def _catalog_routes(state: State, wrap: Any) -> list[Route]:
    async def catalogs(request: Request) -> Response:
        if request.method == "GET":
            return page(request, "catalogs", [catalog_info(c) for c in state.catalogs.values()])
        body = await request.json()
        made = state.create_catalog(str(body["name"]).lower(), body.get("comment", ""))
        return JSONResponse(catalog_info(made))

    async def catalog(request: Request) -> Response:
        found = state.catalog(request.path_params["name"])
        if request.method == "PATCH":
            body = await request.json()
            found.comment = body.get("comment", found.comment)
        if request.method == "DELETE":
            is_empty = all(not s.tables and not s.volumes for s in found.schemas.values())
            if not is_empty and request.query_params.get("force") != "true":
                raise invalid(f"Catalog '{found.name}' is not empty.")
            del state.catalogs[found.name]
            return JSONResponse({})
        return JSONResponse(catalog_info(found))

    return [
        Route(f"{BASE}/catalogs", wrap(catalogs), methods=["GET", "POST"]),
        Route(f"{BASE}/catalogs/{{name}}", wrap(catalog), methods=["GET", "PATCH", "DELETE"]),
    ]


def _schema_routes(state: State, wrap: Any) -> list[Route]:
    async def schemas(request: Request) -> Response:
        if request.method == "GET":
            catalog = state.catalog(request.query_params["catalog_name"])
            found = [schema_info(catalog.name, each) for each in catalog.schemas.values()]
            return page(request, "schemas", found)
        body = await request.json()
        catalog, name = state.catalog(body["catalog_name"]), str(body["name"]).lower()
        state.allow("CREATE_SCHEMA", catalog.name)
        if name in catalog.schemas:
            raise ApiError(400, "SCHEMA_ALREADY_EXISTS", f"Schema '{name}' already exists")
        catalog.schemas[name] = Schema(name)
        return JSONResponse(schema_info(catalog.name, catalog.schemas[name]))

    async def schema(request: Request) -> Response:
        catalog, name = split(request.path_params["name"], 2)
        found = state.schema(catalog, name)
        if request.method == "DELETE":
            if found.tables and request.query_params.get("force") != "true":
                raise invalid(f"Schema '{catalog}.{name}' is not empty.")
            del state.catalogs[catalog].schemas[name]
            return JSONResponse({})
        return JSONResponse(schema_info(catalog, found))

    return [
        Route(f"{BASE}/schemas", wrap(schemas), methods=["GET", "POST"]),
        Route(f"{BASE}/schemas/{{name}}", wrap(schema), methods=["GET", "DELETE"]),
    ]


def _volume_routes(state: State, wrap: Any) -> list[Route]:
    async def volumes(request: Request) -> Response:
        if request.method == "GET":
            query = request.query_params
            schema = state.schema(query["catalog_name"], query["schema_name"])
            return page(request, "volumes", list(schema.volumes.values()))
        body = await request.json()
        if body.get("volume_type") == "MANAGED" and body.get("storage_location"):
            raise invalid("A managed volume has no storage_location.")
        catalog, schema_name, name = body["catalog_name"], body["schema_name"], body["name"]
        schema = state.schema(catalog, schema_name)
        state.allow("CREATE_VOLUME", f"{catalog}.{schema_name}")
        if name in schema.volumes:
            raise exists(f"Volume '{name}'")
        full_name = f"{catalog}.{schema_name}.{name}"
        schema.volumes[name] = {**body, "full_name": full_name, "volume_id": full_name}
        state.volume_path(f"/Volumes/{catalog}/{schema_name}/{name}").mkdir(parents=True)
        return JSONResponse(schema.volumes[name])

    async def volume(request: Request) -> Response:
        catalog, schema_name, name = split(request.path_params["name"], 3)
        schema = state.schema(catalog, schema_name)
        if name not in schema.volumes:
            raise missing(f"Volume '{request.path_params['name']}'")
        if request.method == "DELETE":
            del schema.volumes[name]
            return JSONResponse({})
        return JSONResponse(schema.volumes[name])

    return [
        Route(f"{BASE}/volumes", wrap(volumes), methods=["GET", "POST"]),
        Route(f"{BASE}/volumes/{{name}}", wrap(volume), methods=["GET", "DELETE"]),
    ]


def _table_routes(state: State, wrap: Any) -> list[Route]:
    async def tables(request: Request) -> Response:
        query = request.query_params
        schema = state.schema(query["catalog_name"], query["schema_name"])
        is_short = query.get("omit_columns") == "true"
        return page(
            request, "tables", [table_info(t, is_short=is_short) for t in schema.tables.values()]
        )

    async def summaries(request: Request) -> Response:
        catalog = state.catalog(request.query_params["catalog_name"])
        found = [
            {"full_name": table.full_name, "table_type": table.kind}
            for schema in catalog.schemas.values()
            for table in schema.tables.values()
        ]
        return JSONResponse({"tables": found})

    async def table(request: Request) -> Response:
        found = state.table(request.path_params["name"])
        if request.method == "DELETE":
            drop_table(state, found)
            return JSONResponse({})
        return JSONResponse(table_info(found))

    async def table_exists(request: Request) -> Response:
        return JSONResponse({"table_exists": request.path_params["name"] in state.tables()})

    return [
        Route(f"{BASE}/tables", wrap(tables)),
        Route(f"{BASE}/table-summaries", wrap(summaries)),
        Route(f"{BASE}/tables/{{name}}/exists", wrap(table_exists)),
        Route(f"{BASE}/tables/{{name}}", wrap(table), methods=["GET", "DELETE"]),
    ]


def drop_table(state: State, table: FakeTable) -> None:
    catalog, schema, name = split(table.full_name, 3)
    state.allow("MANAGE", table.full_name)
    with state.lock:
        state.schema(catalog, schema).tables.pop(name, None)


def routes(state: State, wrap: Any) -> list[Route]:
    async def assignment(request: Request) -> Response:
        return JSONResponse({"metastore_id": "metastore", "workspace_id": int(WORKSPACE_ID)})

    async def summary(request: Request) -> Response:
        return JSONResponse({"metastore_id": "metastore", "name": "fake", "cloud": "aws"})

    return [
        *_catalog_routes(state, wrap),
        *_schema_routes(state, wrap),
        *_volume_routes(state, wrap),
        *_table_routes(state, wrap),
        Route(f"{BASE}/current-metastore-assignment", wrap(assignment)),
        Route(f"{BASE}/metastore_summary", wrap(summary)),
    ]
