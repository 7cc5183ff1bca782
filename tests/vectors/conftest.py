"""The whole server in memory."""

from tests.server.conftest import app, client, files, settings

__all__ = ["app", "client", "files", "settings"]
