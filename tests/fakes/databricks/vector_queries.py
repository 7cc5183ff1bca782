"""Questions to an index of vector search: by vector, by words or by both, page by page."""

import datetime
import json
import math
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.errors import invalid

if TYPE_CHECKING:
    from tests.fakes.databricks.vectors import Index, Row, Vectors

BASE = "/api/2.0/vector-search"
_WORDS = re.compile(r"\w+")
_HYBRID_MAX = 200
_OPERATORS = {
    "": lambda a, b: a in b if isinstance(b, list) else a == b,
    "NOT": lambda a, b: a not in b if isinstance(b, list) else a != b,
    "<": lambda a, b: a is not None and a < b,
    "<=": lambda a, b: a is not None and a <= b,
    ">": lambda a, b: a is not None and a > b,
    ">=": lambda a, b: a is not None and a >= b,
    "LIKE": lambda a, b: b.lower() in str(a).lower(),
}


def routes(vectors: "Vectors", wrap: Any) -> list[Route]:
    async def scan(request: Request) -> Response:
        index, body = vectors.online(request.path_params["name"]), await request.json()
        rows, after = index.seen(), body.get("last_primary_key")
        keys = [key for key in sorted(rows) if after is None or key > after]
        keys = keys[: min(body["num_results"], vectors.page_rows)]
        data = [
            {"fields": [{"key": k, "value": _struct(v)} for k, v in rows[key].items()]}
            for key in keys
        ]
        return JSONResponse({"data": data, "last_primary_key": keys[-1] if keys else None})

    async def query(request: Request) -> Response:
        index, body = vectors.online(request.path_params["name"]), await request.json()
        kind = vectors.endpoint(index.spec["endpoint_name"]).kind
        rows = _found(index, body, kind)
        names = [*body["columns"], "score"]
        types = {**index.columns, "score": "double"}
        manifest = {
            "column_count": len(names),
            "columns": [{"name": name, "type_text": types[name]} for name in names],
        }
        return JSONResponse(_page(vectors, rows, manifest))

    async def next_page(request: Request) -> Response:
        vectors.online(request.path_params["name"])
        token = (await request.json())["page_token"]
        if token not in vectors.pages:
            raise invalid("Unknown page_token.")
        return JSONResponse(_page(vectors, *vectors.pages[token]))

    path = f"{BASE}/indexes/{{name}}"
    return [
        Route(f"{path}/scan", wrap(scan), methods=["GET", "POST"]),
        Route(f"{path}/query", wrap(query), methods=["GET", "POST"]),
        Route(f"{path}/query-next-page", wrap(next_page), methods=["GET", "POST"]),
    ]


def _page(vectors: "Vectors", rows: list[list], manifest: dict[str, Any]) -> dict[str, Any]:
    shown, rest = rows[: vectors.page_rows], rows[vectors.page_rows :]
    result: dict[str, Any] = {"row_count": len(shown)}
    if shown:
        result["data_array"] = [[_cell(vectors, each) for each in row] for row in shown]
    answer: dict[str, Any] = {"manifest": manifest, "result": result}
    if rest:
        token = uuid4().hex
        vectors.pages[token] = (rest, manifest)
        answer["next_page_token"] = token
    return _camel(answer) if vectors.speaks_camel else answer


def _cell(vectors: "Vectors", value: Any) -> Any:
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    if vectors.cells_as_text and value is not None and not isinstance(value, list):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _camel(part: Any) -> Any:
    if isinstance(part, dict):
        return {re.sub("_(.)", lambda m: m[1].upper(), k): _camel(v) for k, v in part.items()}
    return [_camel(each) for each in part] if isinstance(part, list) else part


def _struct(value: Any) -> dict[str, Any]:
    if value is None:
        return {"null_value": "NULL_VALUE"}
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int | float):
        return {"number_value": value}
    if isinstance(value, list):
        return {"list_value": {"values": [_struct(each) for each in value]}}
    return {"string_value": str(value)}


def _found(index: "Index", body: dict[str, Any], endpoint_kind: str) -> list[list]:
    mode = body.get("query_type") or "ANN"
    _check(index, body, mode)
    unknown = set(body["columns"]) - set(index.columns)
    if unknown:
        raise invalid(f"Columns {sorted(unknown)} do not exist in the index.")
    rows = _filtered(index, body, endpoint_kind)
    scored = [(_score(index, row, body, mode), row) for row in rows]
    if mode == "FULL_TEXT":
        scored = [pair for pair in scored if pair[0] > 0]
    scored.sort(key=lambda pair: -pair[0])
    shown = scored[: int(body.get("num_results") or 10)]
    return [[*[row.get(name) for name in body["columns"]], score] for score, row in shown]


def _check(index: "Index", body: dict[str, Any], mode: str) -> None:
    has_vector, has_text = body.get("query_vector") is not None, bool(body.get("query_text"))
    if mode not in {"ANN", "HYBRID", "FULL_TEXT"}:
        raise invalid(f"Unknown query_type {mode}.")
    if mode == "FULL_TEXT":
        wanted = (False, True)
    elif index.vectors:
        wanted = (True, mode == "HYBRID")
    else:
        wanted = (False, True)
    if (has_vector, has_text) != wanted:
        needed = " and ".join(
            name for name, is_needed in zip(("query_vector", "query_text"), wanted, strict=True)
            if is_needed
        )  # fmt: skip
        raise invalid(f"{mode} on this index takes {needed}.")
    if mode == "HYBRID" and int(body.get("num_results") or 10) > _HYBRID_MAX:
        raise invalid(f"Hybrid search returns at most {_HYBRID_MAX} rows.")
    if has_vector and len(body["query_vector"]) not in index.vectors.values():
        raise invalid("The query_vector has another dimension than the index.")


def _filtered(index: "Index", body: dict[str, Any], endpoint_kind: str) -> "list[Row]":
    rows = list(index.seen().values())
    if body.get("filter_string"):
        if endpoint_kind == "STANDARD":
            raise invalid("Standard endpoints take filters_json.")
        return _by_sql(index, rows, body["filter_string"])
    if body.get("filters_json"):
        if endpoint_kind != "STANDARD":
            raise invalid("Storage-optimized endpoints take SQL-like filters.")
        filters = json.loads(body["filters_json"])
        return [row for row in rows if _fits(index, row, filters)]
    return rows


def _by_sql(index: "Index", rows: "list[Row]", where: str) -> "list[Row]":
    plain = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in rows]
    with duckdb.connect() as db:
        db.register("t", pa.Table.from_pylist(plain))
        kept = db.execute(f"SELECT {index.key} FROM t WHERE {where}").fetchall()
    keys = {key for (key,) in kept}
    return [row for row in rows if row[index.key] in keys]


def _fits(index: "Index", row: "Row", filters: dict[str, Any]) -> bool:
    for name, wanted in filters.items():
        columns = name.split(" OR ")
        values = wanted if len(columns) > 1 else [wanted]
        if not any(_one_fits(index, row, c, v) for c, v in zip(columns, values, strict=True)):
            return False
    return True


def _one_fits(index: "Index", row: "Row", name: str, wanted: Any) -> bool:
    column, _, operator = name.strip().partition(" ")
    if column not in index.columns or operator not in _OPERATORS:
        raise invalid(f"The filter {name!r} cannot be understood.")
    return _OPERATORS[operator](row.get(column), wanted)


def _score(index: "Index", row: "Row", body: dict[str, Any], mode: str) -> float:
    score = 0.0
    if body.get("query_vector") is not None:
        [column] = index.vectors
        score += 1 / (1 + math.dist(row[column], body["query_vector"]) ** 2)
    if mode != "ANN" or not index.vectors:
        asked = set(_WORDS.findall(str(body.get("query_text")).lower()))
        texts = [value for value in row.values() if isinstance(value, str)]
        words = set(_WORDS.findall(" ".join(texts).lower()))
        score += len(asked & words) / max(len(asked), 1)
    return score
