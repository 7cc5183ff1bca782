"""What an operator sees of a running server: metrics, traces, and a log with ids."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.databricks.connecting import environment
from tests.docs.pages import ROOT
from tests.fakes.databricks import FakeWorkspace
from tests.hosted.collecting import Collector, collector
from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer, connected, http_server
from tests.hosted.test_sessions import HELLO, headers_of, messages_of
from tests.server.asking import ask, call, failure

pytestmark = pytest.mark.slow

TOKEN = "scrape-0123456789"
TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER_TRACE = "1bf7651916cd43dd8448eb211c80319c"


def parent_of(trace: str) -> str:
    return f"00-{trace}-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path_factory.mktemp("workspace")) as running:
        yield running


@pytest.fixture(scope="module")
def traces() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    issuer: Issuer,
    workspace: FakeWorkspace,
    traces: Collector,
) -> Iterator[HttpServer]:
    """Watched in every way there is."""
    folder = tmp_path_factory.mktemp("watched")
    watched = {
        "SERVICETSUNAMI_METRICS_TOKEN": TOKEN,
        "SERVICETSUNAMI_LOG_LEVEL": "INFO",
        "SERVICETSUNAMI_HTTP_PROXIES": "127.0.0.1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with http_server(
        folder, **issuer.settings(folder), **environment(workspace), **watched
    ) as running:
        yield running


def scraped(server: HttpServer) -> dict[tuple[str, ...], float]:
    """All figures by name and labels."""
    answer = server.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def lines(server: HttpServer) -> list[dict[str, Any]]:
    """The log; every line of it is JSON."""
    return [json.loads(line) for line in server.logged().splitlines()]


def about(server: HttpServer, request_id: str) -> list[dict[str, Any]]:
    return [line for line in lines(server) if line.get("request_id") == request_id]


async def test_operations_are_counted_by_name_and_outcome(
    server: HttpServer, issuer: Issuer
) -> None:
    ended = ("servicetsunami_operations_total", "door=mcp", "operation=describe_asset")
    took = ("servicetsunami_operation_seconds_count", "door=mcp", "operation=describe_asset")
    async with connected(server, issuer.token()) as client:
        await failure(client, "describe_asset", name="nothing")
        await call(client, "ingest_dataset", source=[{"n": 1}], name="counted")
        await call(client, "describe_asset", name="counted")
        seen = scraped(server)

    assert seen[(*ended, "outcome=failed")] == 1
    assert seen[(*ended, "outcome=ok")] == 1
    assert seen[took] == 2
    assert seen["servicetsunami_operations_running", "door=mcp"] == 0


async def test_metrics_tell_how_the_server_stands(server: HttpServer, issuer: Issuer) -> None:
    async with connected(server, issuer.token(), "http, with a handshake") as client:
        await ask(client, "SELECT 1", run_on="databricks")
        with messages_of(server, issuer.token()):
            seen = scraped(server)

    assert seen["servicetsunami_sessions", "transport=http"] == 1
    assert seen["servicetsunami_sessions", "transport=sse"] == 1
    assert seen["servicetsunami_worker_processes", "kind=sql", "state=idle"] >= 1
    assert seen["servicetsunami_kernel_processes", "state=busy"] == 0
    assert seen["servicetsunami_outbox_items", "state=parked"] == 0
    assert seen["servicetsunami_runs", "state=RUNNING"] == 0
    assert seen["servicetsunami_databricks_requests_total", "status=200"] >= 1
    assert seen["servicetsunami_databricks_breaker", "state=closed"] == 1
    assert seen["servicetsunami_databricks_breaker", "state=open"] == 0
    assert seen[("servicetsunami_database_up",)] == 1
    assert ("servicetsunami_database_connections",) in seen
    assert seen[("process_resident_memory_bytes",)] > 0


def test_no_label_names_a_tenant_or_what_is_theirs(server: HttpServer, issuer: Issuer) -> None:
    headers = headers_of(issuer.token("tenant-to-be-kept-quiet"))
    assert server.post("/mcp", json=HELLO, headers=headers).status_code == 200

    labels = {label.partition("=")[0] for key in scraped(server) for label in key[1:]}
    kept = {"operation", "door", "outcome", "transport", "kind", "state", "status", "le"}
    assert labels - kept <= {"implementation", "major", "minor", "patchlevel", "version"}


def test_every_metric_is_named_on_the_page_about_them(server: HttpServer) -> None:
    page = (ROOT / "docs/how-to/observe.md").read_text(encoding="utf-8")
    answer = server.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    kinds = [line.split()[2:4] for line in answer.text.splitlines() if line.startswith("# TYPE")]
    ours = [name for name, _ in kinds if name.startswith("servicetsunami_")]

    assert len(ours) > 10
    assert [name for name in ours if f"`{name.removesuffix('_created')}" not in page] == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}, {"X-API-Key": TOKEN}],
)
def test_a_stranger_reads_no_metrics(server: HttpServer, headers: dict[str, str]) -> None:
    refused = server.get("/metrics", headers=headers)

    assert refused.status_code == 401
    assert "servicetsunami_" not in refused.text


def test_an_administrator_of_a_tenant_is_a_stranger_too(server: HttpServer, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    assert server.get("/metrics", headers=headers).status_code == 401


def test_a_scraper_may_call_by_any_name_and_gets_nothing_else(server: HttpServer) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "10.0.0.7:8085"}

    assert server.get("/metrics", headers=headers).status_code == 200
    assert server.post("/metrics", headers=headers).status_code == 405
    del headers["Host"]
    assert server.post("/mcp", json=HELLO, headers=headers).status_code == 401


def test_a_trace_goes_on_from_the_header_to_the_workspace(
    server: HttpServer, issuer: Issuer, workspace: FakeWorkspace, traces: Collector
) -> None:
    headers = headers_of(issuer.token(), traceparent=parent_of(TRACE))
    opened = server.post("/mcp", json=HELLO, headers=headers)
    headers["Mcp-Session-Id"] = opened.headers["mcp-session-id"]
    for where in ("databricks", "local"):
        asked = {"sql": "SELECT 'very private'", "run_on": where}
        params = {"name": "query_dataset", "arguments": asked}
        said = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
        assert "very private" in server.post("/mcp", json=said, headers=headers).text

    operation = traces.until("tools/call query_dataset", TRACE)
    assert operation.parent == "b7ad6b7169203331"
    assert operation.attributes["mcp.method.name"] == "tools/call"
    assert operation.attributes["gen_ai.tool.name"] == "query_dataset"
    assert operation.attributes["servicetsunami.tenant"] == "acme"
    query = traces.until("begin duckdb", TRACE)
    assert query.attributes == {"db.system.name": "duckdb", "db.operation.name": "begin"}
    request = traces.until("POST", TRACE)
    assert request.attributes["server.address"] == "127.0.0.1"
    sent = {each.traceparent for each in workspace.requests if TRACE in each.traceparent}
    assert f"00-{TRACE}-{request.span}-01" in sent
    assert not any("very private" in span.text for span in traces.spans)


def test_a_trace_of_the_message_goes_before_that_of_the_header(
    server: HttpServer, issuer: Issuer, traces: Collector
) -> None:
    headers = headers_of(issuer.token(), traceparent=parent_of(TRACE))
    opened = server.post("/mcp", json=HELLO, headers=headers)
    headers["Mcp-Session-Id"] = opened.headers["mcp-session-id"]
    asked = {"name": "describe_asset", "arguments": {"name": "secret_name"}}
    params = asked | {"_meta": {"traceparent": parent_of(OTHER_TRACE)}}
    said = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
    server.post("/mcp", json=said, headers=headers | {"X-Request-ID": "traced"})

    span = traces.until("tools/call describe_asset", OTHER_TRACE)
    assert span.attributes["servicetsunami.error"] == "NotFound"
    assert not any("secret_name" in span.text for span in traces.spans)
    [ended] = [line for line in about(server, "traced") if "ended" in line["event"]]
    assert (ended["trace_id"], ended["span_id"]) == (OTHER_TRACE, span.span)


def test_an_id_of_the_client_is_kept_where_it_is_sane(server: HttpServer) -> None:
    for given in ("abc.DEF-123_4", "x" * 64):
        answer = server.get("/mcp", headers={"X-Request-ID": given})
        assert answer.headers["x-request-id"] == given
    for given in ("", "x" * 65, "a b", 'a"b', "a=b", "<b>", "../a"):
        made = server.get("/healthz", headers={"X-Request-ID": given})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


def test_a_line_of_the_log_says_whose_call_it_is_about(server: HttpServer, issuer: Issuer) -> None:
    token = issuer.token("acme", sub="grace")
    said = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO["params"]}
    opened = server.post("/mcp", json=said, headers=headers_of(token))
    headers = headers_of(
        token,
        **{"Mcp-Session-Id": opened.headers["mcp-session-id"], "X-Request-ID": "of-grace"},
    )
    asked = {"name": "query_dataset", "arguments": {"sql": "SELECT 'very private'"}}
    call_it = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": asked}
    assert server.post("/mcp", json=call_it, headers=headers).status_code == 200

    [ended] = [line for line in about(server, "of-grace") if "ended" in line["event"]]
    assert ended["event"].startswith("query_dataset ended: ok after")
    assert (ended["tenant"], ended["subject"]) == ("acme", "grace")
    assert (ended["operation"], ended["client"]) == ("query_dataset", "127.0.0.1")
    assert "very private" not in server.logged()
    assert token not in server.logged()


def test_a_believed_proxy_says_where_a_request_comes_from(server: HttpServer) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "by-proxy"}
    assert server.get("/mcp", headers=forwarded).status_code == 401

    [refused] = about(server, "by-proxy")
    assert refused["client"] == "203.0.113.9"


def test_the_start_is_one_line(server: HttpServer) -> None:
    [up] = [line for line in lines(server) if line["logger"] == "servicetsunami.up"]
    assert up["event"] == (f"serving /mcp and /sse at {server.url}; credentials are asked for")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[HttpServer]:
    """As it is without any setting about being watched, but with lines for people."""
    folder = tmp_path_factory.mktemp("plain")
    text = {"SERVICETSUNAMI_LOG_FORMAT": "text"}
    with http_server(folder, **issuer.settings(folder), **text) as running:
        yield running


def test_nobody_but_a_believed_proxy_is_believed(plain: HttpServer, issuer: Issuer) -> None:
    """The scheme shows in where a redirect leads."""
    headers = {
        "Authorization": f"Bearer {issuer.token()}",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "203.0.113.9",
    }
    assert (
        plain.get("/messages", headers=headers).headers["location"].startswith("http://127.0.0.1")
    )


def test_a_believed_proxy_says_which_scheme_it_speaks(server: HttpServer, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.token()}", "X-Forwarded-Proto": "https"}
    answer = server.get("/messages", headers=headers)
    assert answer.headers["location"].startswith("https://127.0.0.1")


def test_without_a_token_there_are_no_metrics_where_credentials_are_asked_for(
    plain: HttpServer, issuer: Issuer
) -> None:
    headers = {"Authorization": f"Bearer {issuer.token()}"}

    assert plain.get("/metrics").status_code == 401
    assert plain.get("/metrics", headers=headers).status_code == 404


def test_the_start_is_told_at_any_level(plain: HttpServer) -> None:
    [line] = plain.logged().splitlines()
    assert re.fullmatch(r"\S+ \S+ INFO servicetsunami.up: serving /mcp and /sse at \S+; .+", line)
