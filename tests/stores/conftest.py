"""Fixtures of the stores' tests: both databases, and values to store in them."""

import pytest

from tests.databases import database, database_url, postgresql_server

__all__ = ["database", "database_url", "postgresql_server"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """SQLAlchemy and the MCP server run on asyncio."""
    return "asyncio"
