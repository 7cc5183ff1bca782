"""One hosted server for all tests of REST; each test has a tenant of its own."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer, http_server
from tests.models.making import regressor

UPLOAD_MB = 2
Speaker = Callable[..., httpx.Client]


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[HttpServer]:
    folder = tmp_path_factory.mktemp("rest")
    files = folder / "files"
    files.mkdir()
    (files / "model.onnx").write_bytes(regressor())
    settings = {
        "SERVICETSUNAMI_ALLOWED_ROOTS": str(files),
        "SERVICETSUNAMI_HTTP_BODY_MB": "1",
        "SERVICETSUNAMI_HTTP_UPLOAD_MB": str(UPLOAD_MB),
        "SERVICETSUNAMI_QUERY_WORKERS": "1",
        "SERVICETSUNAMI_CALLS_PER_MINUTE": "100000",
        "SERVICETSUNAMI_CALLS_PER_MINUTE_OF_SUBJECT": "100000",
    }
    with http_server(folder, **issuer.settings(folder), **settings) as running:
        yield running


@pytest.fixture
def speak(server: HttpServer, issuer: Issuer) -> Iterator[Speaker]:
    """Makes a client with a credential of a tenant, for what the scopes allow."""
    clients = []

    def as_tenant(tenant: str, **claims: Any) -> httpx.Client:
        token = issuer.token(tenant, **claims)
        client = server.client(headers={"Authorization": f"Bearer {token}"}, timeout=60)
        clients.append(client)
        return client

    yield as_tenant
    for client in clients:
        client.close()
