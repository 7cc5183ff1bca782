"""The whole server in memory, and models that real tools have made."""

from tests.server.conftest import app, client, files, settings

__all__ = ["app", "client", "files", "settings"]
