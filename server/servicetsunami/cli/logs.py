"""Sets the log up: everything to stderr, as lines for people or as JSON for machines."""

import logging
import sys
from typing import Final

from servicetsunami.domain.redaction import RedactingFilter
from servicetsunami.settings import Settings

UP: Final = "servicetsunami.up"
"""The logger that says when the server is up: at whatever level the others are."""
_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logging(settings: Settings, *, http: bool) -> None:
    """Send what all libraries log to stderr: stdout belongs to the protocol.

    This is the only handler of the process: what it redacts, no line shows.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RedactingFilter(settings.secrets))
    handler.setFormatter(_formatter(settings, http=http))
    # Before the SDK does it, whose own handler draws tracebacks as boxes for people.
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    logging.getLogger(UP).setLevel(logging.INFO)
    # They would tell addresses, and a link to a chunk of a result is a credential by itself.
    for name in ("httpx", "httpcore", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(settings: Settings, *, http: bool) -> logging.Formatter:
    if not http and settings.log_format != "json":
        # What the other forms need is not worth its time at a start over stdio.
        return logging.Formatter(_TEXT)
    from servicetsunami.cli.log_lines import json_lines, text_lines  # noqa: PLC0415

    return text_lines(_TEXT) if settings.log_format == "text" else json_lines()
