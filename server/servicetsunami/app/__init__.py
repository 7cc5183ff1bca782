"""Builds every object once, in order, and closes them in reverse: see `opening`."""

from servicetsunami.app.opening import App, open_app
from servicetsunami.app.serving import serve_http, serve_stdio
from servicetsunami.app.workers import serve_workers

__all__ = ["App", "open_app", "serve_http", "serve_stdio", "serve_workers"]
