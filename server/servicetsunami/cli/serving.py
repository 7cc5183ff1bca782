"""Starts the server, with the log on stderr: stdout belongs to the protocol."""

import logging
import sys

import anyio

from servicetsunami.cli.loading import load_settings
from servicetsunami.domain.redaction import RedactingFilter, redacted
from servicetsunami.errors import ServerError
from servicetsunami.settings import Settings


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

    # Before the SDK does it, whose own handler draws tracebacks as boxes for people.
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactingFilter(settings.secrets))
    # It would tell of every single try; what came of them is told by whoever asked.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    # They would tell addresses, and a link to a chunk of a result is a credential by itself.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        if http:
            # A third less work for each request; of a start over stdio it would be a part.
            anyio.run(app.serve_http, settings, backend_options={"use_uvloop": True})
        else:
            anyio.run(app.serve_stdio, settings)
    except KeyboardInterrupt:
        return 130
    return 0
