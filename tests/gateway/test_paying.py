"""No request that may cost leaves without leave from a budget."""

import httpx
import pytest

from servicetsunami.domain.budget import Permit
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.config import Given, resolve
from servicetsunami.gateway.retry import Replay

FREE = [
    "GET /api/2.0/sql/warehouses",
    "DELETE /api/2.0/serving-endpoints/m",
    "POST /api/2.0/sql/statements/s1/cancel",
    "POST /api/2.2/jobs/create",
    "POST /api/2.2/jobs/reset",
    "POST /api/2.2/jobs/runs/cancel",
    "PATCH /api/2.0/serving-endpoints/m/tags",
    "POST /api/2.0/workspace/import",
    "POST /api/2.1/unity-catalog/schemas",
    "PUT /api/2.0/fs/files/Volumes/c/s/v/a.parquet",
]
PAID = [
    "POST /api/2.0/sql/statements",
    "POST /api/2.2/jobs/run-now",
    "POST /api/2.2/jobs/runs/submit",
    "POST /api/2.2/jobs/runs/repair",
    "POST /api/2.0/serving-endpoints",
    "PUT /api/2.0/serving-endpoints/m/config",
    "POST /serving-endpoints/m/invocations",
    "POST /api/2.0/vector-search/endpoints",
    "POST /api/2.0/vector-search/indexes",
    "POST /api/2.0/vector-search/indexes/c.s.i/sync",
    "POST /api/2.0/vector-search/indexes/c.s.i/upsert-data",
    "POST /api/2.0/vector-search/indexes/c.s.i/query",
    "POST /api/2.0/something-that-comes-next-year",
]


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def client(sent: list[str]) -> WorkspaceClient:
    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(f"{request.method} {request.url.path}")
        return httpx.Response(200, json={})

    config = resolve(
        Given(host="http://127.0.0.1:1", token="t"), requests_per_s=1000, user_agent="test"
    )
    http = httpx.AsyncClient(base_url=config.host, transport=httpx.MockTransport(answer))
    return WorkspaceClient(config, http)


@pytest.mark.parametrize("request_line", FREE)
async def test_what_is_free_needs_no_leave(
    client: WorkspaceClient, sent: list[str], request_line: str
) -> None:
    await client.send(*request_line.split(), replay=Replay.SAFE)

    assert sent == [request_line]


@pytest.mark.parametrize("request_line", PAID)
async def test_whatever_else_is_not_sent_without_leave(
    client: WorkspaceClient, sent: list[str], request_line: str
) -> None:
    with pytest.raises(AssertionError, match="no budget was asked"):
        await client.send(*request_line.split(), replay=Replay.SAFE)
    assert sent == []

    await client.send(*request_line.split(), replay=Replay.SAFE, permit=Permit(payer="acme"))
    assert sent == [request_line]
