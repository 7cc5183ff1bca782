"""A line of the log: one object, with what was bound, and a bug's traceback once."""

import io
import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mcp.client import Client
from structlog.contextvars import bound_contextvars

from servicetsunami.app import open_app
from servicetsunami.cli.log_lines import json_lines, text_lines
from servicetsunami.settings import Settings
from servicetsunami.transport.admission import Admission
from servicetsunami.transport.call_logs import log_operation
from servicetsunami.transport.mcp import LakeServer


@contextmanager
def logged(form: logging.Formatter, name: str) -> Generator[io.StringIO]:
    """What a logger writes in a form."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield stream
    finally:
        logger.removeHandler(handler)


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_cannot_be_broken_by_what_it_tells() -> None:
    with logged(json_lines(), "test.lines") as stream, bound_contextvars(request_id="r1"):
        logging.getLogger("test.lines").warning('%s said "%s"', "ada", 'x\n{"level": "error"}')

    [line] = parsed(stream)
    assert list(line)[:4] == ["timestamp", "level", "logger", "event"]
    assert line["event"] == 'ada said "x\n{"level": "error"}"'
    assert (line["level"], line["request_id"]) == ("warning", "r1")


def test_lines_for_people_end_with_what_was_bound() -> None:
    with logged(text_lines("%(levelname)s %(message)s"), "test.lines") as stream:
        logging.getLogger("test.lines").warning("before")
        with bound_contextvars(request_id="r1", tenant="acme"):
            logging.getLogger("test.lines").warning("within")

    assert stream.getvalue() == "WARNING before\nWARNING within [request_id=r1 tenant=acme]\n"


async def test_the_traceback_of_a_bug_is_in_the_log_once(tmp_path: Path) -> None:
    async def divide() -> int:
        """Fail, as a bug does."""
        return 1 // 0

    async with open_app(Settings(data_dir=tmp_path)) as app:
        server = LakeServer(app.services, app.caller, admission=Admission(watchers=[log_operation]))
        server.add_tool(divide)
        with logged(json_lines(), "mcp") as of_sdk, logged(json_lines(), "servicetsunami") as ours:
            async with Client(server) as client:
                result = await client.call_tool("divide", {})

    assert result.is_error
    assert "ZeroDivisionError" not in str(result.content)
    [line] = [each for each in parsed(of_sdk) + parsed(ours) if "exception" in each]
    assert line["exception"].count("return 1 // 0") == 1
    assert (line["tenant"], line["operation"]) == ("local", "divide")
