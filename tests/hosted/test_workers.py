"""Several workers at one address are one server: each tenant is served by one of them."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import psutil
import pytest

from servicetsunami.transport.steering import Steering, take_seats
from tests.hosted.issuing import Issuer
from tests.hosted.serving import WAYS, HttpServer, Way, connected, http_server
from tests.hosted.test_sessions import CALL, HELLO, headers_of
from tests.server.asking import ask, call
from tests.warm import run

TENANTS = [f"t{n}" for n in range(6)]
"""Some of each worker."""
TIMES = 12
"""So many new connections do not all come to the right worker by chance."""
METRICS = {"Authorization": "Bearer a token for the figures"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> dict[str, str]:
    return issuer.settings(tmp_path_factory.mktemp("issuer")) | {
        "SERVICETSUNAMI_HTTP_WORKERS": "2",
        "SERVICETSUNAMI_METRICS_TOKEN": "a token for the figures",
    }


@pytest.fixture(scope="module")
def workers(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> Iterator[HttpServer]:
    with http_server(tmp_path_factory.mktemp("workers"), **environment) as running:
        yield running


def processes_of(server: HttpServer) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def opened_by(server: HttpServer, token: str) -> dict[str, str]:
    """The headers of a session that is opened."""
    headers = headers_of(token)
    opened = server.post("/mcp", json=HELLO, headers=headers, timeout=60)
    return headers | {"Mcp-Session-Id": opened.headers["mcp-session-id"]}


def connect(server: HttpServer) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=30)


def post(path: str, body: bytes, **headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def status_on(stream: socket.socket) -> int:
    """The status of an answer with a body of a known length, which is read to its end."""
    with stream.makefile("rb") as reading:
        status = int(reading.readline().split()[1])
        lines = iter(reading.readline, b"\r\n")
        headers = dict(line.decode().strip().lower().split(": ", 1) for line in lines)
        reading.read(int(headers["content-length"]))
    return status


@pytest.mark.slow
@pytest.mark.parametrize("tenant", TENANTS)
def test_a_session_is_found_from_any_connection(
    workers: HttpServer, issuer: Issuer, tenant: str
) -> None:
    headers = opened_by(workers, issuer.token(tenant))

    for _ in range(TIMES):
        answered = workers.post("/mcp", json=CALL, headers=headers)
        assert answered.status_code == 200, answered.text


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_clients_work_whichever_worker_serves_them(
    workers: HttpServer, issuer: Issuer, way: Way
) -> None:
    for tenant in TENANTS:
        async with connected(workers, issuer.token(tenant), way) as client:
            rows = [{"whose": tenant}]
            await call(client, "ingest_dataset", source=rows, name="own", mode="overwrite")
            assert await ask(client, "select * from own") == [[tenant]]


@pytest.mark.slow
def test_one_connection_may_serve_many_tenants(workers: HttpServer, issuer: Issuer) -> None:
    """As that of a reverse proxy does."""
    sessions = {tenant: opened_by(workers, issuer.token(tenant)) for tenant in TENANTS}
    with connect(workers) as stream:
        for tenant in TENANTS * 2:
            stream.sendall(post("/mcp", json.dumps(CALL).encode(), **sessions[tenant]))
            assert status_on(stream) == 200, tenant


@pytest.mark.slow
@pytest.mark.parametrize("tenant", ["t0", "t4"])
def test_a_request_in_pieces_is_handed_over_whole(
    workers: HttpServer, issuer: Issuer, tenant: str
) -> None:
    headers = opened_by(workers, issuer.token(tenant))
    arguments = {"name_contains": "x" * 900_000}
    long = CALL | {"params": {"name": "list_assets", "arguments": arguments}}
    for body in (json.dumps(CALL).encode(), json.dumps(long).encode()):
        request = post("/mcp", body, **headers)
        for _ in range(TIMES // 2):
            with connect(workers) as stream:
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for piece in (request[:20], request[20:300], request[300:]):
                    stream.sendall(piece)
                assert status_on(stream) == 200


@pytest.mark.slow
def test_the_calls_of_a_tenant_are_counted_in_one_place(
    tmp_path: Path, environment: dict[str, str], issuer: Issuer
) -> None:
    few = environment | {"SERVICETSUNAMI_CALLS_PER_MINUTE": "5"}
    with http_server(tmp_path, **few) as server:
        headers = opened_by(server, issuer.token("t0"))
        answers = [
            server.post("/mcp", json=CALL, headers=headers, timeout=30).text for _ in range(8)
        ]
    assert sum("has made 5 calls within a minute" in each for each in answers) in {2, 3}


@pytest.mark.slow
def test_each_worker_tells_its_own_figures(workers: HttpServer) -> None:
    for number in ("1", "2"):
        asked = {"worker": number}
        for _ in range(4):
            told = workers.get("/metrics", params=asked, headers=METRICS)
            assert told.status_code == 200
            assert "process_resident_memory_bytes" in told.text
    for asked in ({}, {"worker": "0"}, {"worker": "3"}):
        told = workers.get("/metrics", params=asked, headers=METRICS)
        assert told.status_code == 400
        assert "/metrics?worker=1 to /metrics?worker=2" in told.text


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(
    tmp_path: Path, environment: dict[str, str], issuer: Issuer
) -> None:
    with http_server(tmp_path, **environment) as server:
        for killed in processes_of(server):
            killed.kill()
            killed.wait(timeout=30)
            for tenant in TENANTS:
                assert opened_by(server, issuer.token(tenant))["Mcp-Session-Id"]
        assert len(processes_of(server)) == 2
        assert server.logged().count("another begins") == 2


@pytest.mark.slow
def test_workers_end_with_the_process_that_began_them(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with ExitStack() as closing:
        server = closing.enter_context(http_server(tmp_path, **environment))
        begun = processes_of(server)
        server.process.send_signal(signal.SIGKILL)
        gone, left = psutil.wait_procs(begun, timeout=30)
    assert (len(gone), left) == (2, [])


@pytest.mark.slow
def test_an_address_that_somebody_has_is_refused(
    tmp_path: Path, environment: dict[str, str], workers: HttpServer
) -> None:
    port = str(urlsplit(workers.url).port)
    settings = environment | {"SERVICETSUNAMI_DATA_DIR": str(tmp_path)}
    ended = run("serve", "--http", "--port", port, env=settings, timeout=60)
    assert ended.returncode == 2
    assert "cannot listen on 127.0.0.1" in ended.stderr


@pytest.mark.slow
def test_what_is_wrong_with_the_settings_is_told_and_ends_all(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    data = tmp_path / "data"
    data.write_text("no directory")
    settings = environment | {"SERVICETSUNAMI_DATA_DIR": str(data)}
    ended = run("serve", "--http", "--port", "0", env=settings, timeout=60)
    assert ended.returncode == 2
    assert f"The data directory {data} cannot be made" in ended.stderr
    assert "another begins" not in ended.stderr


FAILING = """
import logging, sys
from pathlib import Path
from servicetsunami.app import serve_workers
from servicetsunami.settings import Settings
logging.basicConfig()
settings = Settings(data_dir=Path("none"), auth=True, http_port=0, http_workers=2)
sys.exit(serve_workers(settings, lambda seat: 3))
"""


@pytest.mark.slow
def test_workers_that_end_again_and_again_are_not_begun_for_ever() -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-c", FAILING], capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == 3
    assert ended.stderr.count(b"another begins") == 2


def heads(*lines: str) -> bytes:
    return "\r\n".join(["GET /sse HTTP/1.1", "Host: lake", *lines, "", ""]).encode()


@pytest.fixture
def steering() -> Iterator[list[Steering]]:
    seats = take_seats("127.0.0.1", 0, count=16)
    yield [Steering(seat, tenant_claim="org.id") for seat in seats]
    for seat in seats:
        for each in (seat.listening, seat.inbox, *seat.outboxes):
            each.close()


def test_the_tenant_of_a_token_decides(steering: list[Steering], issuer: Issuer) -> None:
    def by(token: str, whose: int = 0) -> int:
        return steering[whose].worker_for(heads(f"authorization: bearer  {token} "))

    tenants = [f"tenant-{n}" for n in range(40)]
    chosen = [by(issuer.token(each)) for each in tenants]
    assert chosen == [by(issuer.token(each, sub="bob"), whose=7) for each in tenants]
    assert len(set(chosen)) > 8


def test_a_key_decides_in_either_header(steering: list[Steering]) -> None:
    keys = [f"st_{n}" for n in range(40)]
    chosen = [steering[0].worker_for(heads(f"X-API-Key: {key}")) for key in keys]
    assert chosen == [steering[3].worker_for(heads(f"Authorization: Bearer {key}")) for key in keys]
    assert len(set(chosen)) > 8


@pytest.mark.parametrize("lines", [[], ["Authorization: Basic abc"], ["X-Other: Bearer abc"]])
def test_without_a_credential_any_worker_will_do(
    steering: list[Steering], lines: list[str]
) -> None:
    assert [each.worker_for(heads(*lines)) for each in steering] == list(range(16))


def signed(claims: dict[str, object]) -> str:
    return jwt.encode(claims, "x" * 32)


@pytest.mark.parametrize(
    "credential",
    ["a.b.c", "..", "é.é.é", signed({}), signed({"org": {"id": "No Tenant"}})],
)
def test_what_is_no_token_of_a_tenant_decides_as_it_is(
    steering: list[Steering], credential: str
) -> None:
    key = heads(f"X-API-Key: {credential}")
    bearer = heads(f"Authorization: Bearer {credential}")
    assert steering[0].worker_for(key) == steering[1].worker_for(bearer)


def test_a_worker_that_takes_nothing_in_is_told_of(steering: list[Steering]) -> None:
    one, other = socket.socketpair()
    with one, other:
        ends_at = time.monotonic() + 30
        while steering[0].hand_over(one.fileno(), b"GET ", to=1):
            assert time.monotonic() < ends_at
        assert steering[0].hand_over(one.fileno(), b"GET ", to=2)
