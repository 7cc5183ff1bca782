"""Short ways to call routes, and to read what they answer."""

from collections.abc import Iterator
from typing import Any

import httpx

NATIVE = "/api/v1"
CONNECTOR = "/servicetsunami/v1/databricks"


def ok(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """What was answered; the call must not fail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The problem that was answered, which must be of that kind."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["type"] == f"/docs#{kind}"
    assert told["status"] == status
    assert told["detail"] == f"{told['what']} {told['next_step']}"
    assert told["title"]
    return told


def store(client: httpx.Client, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return ok(client.post(f"{NATIVE}/datasets", json={"name": name, "source": rows}))


def ask(client: httpx.Client, sql: str, **more: Any) -> list[list[Any]]:
    """The rows of a statement."""
    return ok(client.post(f"{NATIVE}/datasets/query", json={"sql": sql, **more}))["rows"]


def operations(client: httpx.Client) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation of the OpenAPI document: method, path, and what the document says."""
    for path, methods in ok(client.get("/openapi.json"))["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation
