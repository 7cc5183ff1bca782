"""Which workspace of an account this is: its address or its answers tell."""

import httpx
import pytest

from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.config import Given, resolve
from servicetsunami.gateway.retry import Replay


def client_of(host: str, told: str) -> WorkspaceClient:
    """A client whose workspace says `told` of itself."""
    headers = {"X-Databricks-Org-Id": told} if told else {}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={}, headers=headers))
    config = resolve(Given(host=host, token="t"), requests_per_s=1000, user_agent="test")
    http = httpx.AsyncClient(base_url=config.host, transport=transport)
    return WorkspaceClient(config, http)


@pytest.mark.parametrize(
    ("host", "told", "before", "after"),
    [
        ("https://adb-7405604.4.azuredatabricks.net", "", "7405604", "7405604"),
        ("https://dbc-a1b2.cloud.databricks.com", "4242", "", "4242"),
        ("https://dbc-a1b2.cloud.databricks.com", "not a number", "", ""),
        ("https://dbc-a1b2.cloud.databricks.com", "", "", ""),
    ],
)
async def test_the_number_comes_from_the_address_or_from_an_answer(
    host: str, told: str, before: str, after: str
) -> None:
    client = client_of(host, told)
    assert client.workspace_id == before

    await client.send("GET", "/api/2.0/preview/scim/v2/Me", replay=Replay.SAFE)

    assert client.workspace_id == after
