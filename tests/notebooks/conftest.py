"""A server in memory whose notebooks run in real kernels, in a real sandbox."""

from tests.server.conftest import app, client, files, settings

__all__ = ["app", "client", "files", "settings"]
