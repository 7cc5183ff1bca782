"""Starts the server, with the log on stderr: stdout belongs to the protocol."""

import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio

from servicetsunami.cli.loading import load_settings
from servicetsunami.cli.logs import set_up_logging
from servicetsunami.domain.redaction import redacted
from servicetsunami.errors import ServerError
from servicetsunami.settings import Settings

if TYPE_CHECKING:
    from servicetsunami.transport.steering import Seat


def serve_stdio() -> int:
    """Serve over stdio with the settings of the environment; the exit code."""
    try:
        return serve(load_settings())
    except ServerError as error:
        sys.stderr.write(f"{redacted(str(error))}\n")
        return 2


def serve(settings: Settings, *, http: bool = False) -> int:
    """Serve until the client leaves or a signal asks to stop; the exit code.

    Raises ServerError when the server cannot start.
    """
    from servicetsunami import app  # noqa: PLC0415 - wrong settings are told before this is paid

    set_up_logging(settings, http=http)
    try:
        if not http:
            anyio.run(app.serve_stdio, settings)
        elif settings.http_workers > 1:
            return app.serve_workers(settings, partial(_serve_http, settings))
        else:
            _serve_http(settings)
    except KeyboardInterrupt:
        return 130
    return 0


def _serve_http(settings: Settings, seat: "Seat | None" = None) -> int:
    from servicetsunami import app  # noqa: PLC0415 - as above

    # A third less work for each request; of a start over stdio it would be a part.
    anyio.run(app.serve_http, settings, seat, backend_options={"use_uvloop": True})
    return 0
