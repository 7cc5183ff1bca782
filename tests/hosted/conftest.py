"""One hosted server for all tests of a module, with an issuer that it trusts."""

from collections.abc import Iterator

import httpx
import pytest

from tests.databases import database_url, postgresql_server
from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer, http_server

__all__ = ["database_url", "http", "issuer", "postgresql_server", "server"]


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[HttpServer]:
    folder = tmp_path_factory.mktemp("hosted")
    with http_server(folder, **issuer.settings(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: HttpServer) -> Iterator[httpx.Client]:
    """Plain requests to the server, without a credential."""
    with server.client() as client:
        yield client
