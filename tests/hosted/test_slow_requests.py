"""Whoever sends slowly, or without end, is sent away, and does not keep a place from others."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import anyio
import pytest

from tests.hosted.serving import HttpServer, http_server

pytestmark = pytest.mark.slow

BODY_S = 2
HEAD_S = 10
LATE_S = 15
"""What the machine may add."""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    folder = tmp_path_factory.mktemp("impatient")
    with http_server(folder, SERVICETSUNAMI_HTTP_BODY_S=str(BODY_S)) as running:
        yield running


async def drip(server: HttpServer, beginning: bytes, drop: bytes = b"") -> tuple[bytes, float]:
    """Send the beginning, then a drop now and then, until the server ends it: what it said."""
    address = urlsplit(server.url)
    began, heard = anyio.current_time(), b""
    async with await anyio.connect_tcp(str(address.hostname), address.port or 0) as stream:
        try:
            await stream.send(beginning or drop)
            while True:
                with anyio.move_on_after(0.3):
                    heard += await stream.receive()
                await stream.send(drop)
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return heard, anyio.current_time() - began


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *lines]).encode() + b"\r\n"


async def test_slow_headers_end_however_they_drip(impatient: HttpServer) -> None:
    took: dict[str, float] = {}

    async def try_one(name: str, beginning: bytes, drop: bytes) -> None:
        heard, took[name] = await drip(impatient, beginning, drop)
        assert not heard or heard.startswith(b"HTTP/1.1 400"), heard

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(try_one, "nothing", b"", b"")
        tasks.start_soon(try_one, "a letter", head("/mcp"), b"x")
        tasks.start_soon(try_one, "a line", head("/mcp"), b"X-More: 1\r\n")
    assert all(HEAD_S - 1 < each < HEAD_S + LATE_S for each in took.values()), took


async def test_a_slow_body_ends_with_408(impatient: HttpServer) -> None:
    announced = head("/mcp", "Content-Type: application/json", "Content-Length: 1000")
    chunked = head("/messages/", "Transfer-Encoding: chunked")
    rest = head("/api/v1/notebooks", "Content-Type: application/json", "Content-Length: 1000")
    for beginning, drop in ((announced, b" "), (chunked, b"1\r\n \r\n"), (rest, b" ")):
        heard, took_s = await drip(impatient, beginning + b"\r\n", drop)

        assert heard.startswith(b"HTTP/1.1 408"), heard
        assert b"took more than 2 s to arrive" in heard
        assert BODY_S - 1 < took_s < BODY_S + LATE_S


async def test_an_upload_may_be_long_but_not_stand_still(impatient: HttpServer) -> None:
    form = ("Content-Type: multipart/form-data; boundary=x", "Content-Length: 10000")
    begun = b"\r\n--x\r\nContent-Disposition: form-data; name=file; filename=a.csv\r\n\r\na\n1\n"
    heard, took_s = await drip(impatient, head("/api/v1/datasets/ingest", *form) + begun)

    assert heard.startswith(b"HTTP/1.1 408"), heard
    assert BODY_S - 1 < took_s < BODY_S + LATE_S


async def test_headers_without_end_are_refused(impatient: HttpServer) -> None:
    many = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(80))
    for beginning in (head("/mcp") + many, head("/mcp") + b"X: " + b"x" * 80_000):
        heard, took_s = await drip(impatient, beginning, b"x")

        assert heard.startswith(b"HTTP/1.1 400"), heard
        assert took_s < HEAD_S


async def test_the_rest_of_a_refused_body_is_not_waited_for(server: HttpServer) -> None:
    beginning = head("/mcp", "Content-Length: 100000") + b"\r\n"
    heard, took_s = await drip(server, beginning, b" ")

    assert heard.startswith(b"HTTP/1.1 401"), heard
    assert took_s < HEAD_S + LATE_S


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: -1",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Host : evil.example.com",
        " Folded: header",
    ],
)
async def test_a_request_that_could_be_read_in_two_ways_is_refused(
    impatient: HttpServer, line: str
) -> None:
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    heard, took_s = await drip(impatient, head("/mcp", line) + b"\r\n" + smuggled)

    assert heard.startswith(b"HTTP/1.1 400"), heard
    assert took_s < HEAD_S
    assert b"200 OK" not in heard


def test_others_are_served_meanwhile(impatient: HttpServer) -> None:
    assert impatient.get("/healthz").status_code == 200
