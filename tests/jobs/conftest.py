"""The whole server in memory, and engines alone on both databases."""

from tests.databases import database, database_url, postgresql_server
from tests.server.conftest import app, client, files, settings

__all__ = [
    "app",
    "client",
    "database",
    "database_url",
    "files",
    "postgresql_server",
    "settings",
]
