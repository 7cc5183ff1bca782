"""The dashboard as an MCP App, within a small host that speaks the bridge of the extension."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Page, expect

from servicetsunami.transport.dashboard.app import URI
from tests.dashboard.conftest import Look, Looking, outside
from tests.hosted.serving import HttpServer, connected, http_server
from tests.server.asking import call

pytestmark = pytest.mark.slow

HOST = "http://host.test"
# What a host must set for a page that declares no domains, by the extension's specification.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; media-src 'self' data:; connect-src 'none'; frame-src 'self'"
)
PAGE = Path(__file__).with_name("host.html").read_text(encoding="utf-8").replace("{uri}", URI)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    folder = tmp_path_factory.mktemp("embedded")
    with http_server(folder, SERVICETSUNAMI_HTTP_DASHBOARD="false") as running:
        outside(_fill, running)
        yield running


async def _fill(server: HttpServer) -> None:
    async with connected(server, "nobody's") as client:
        await call(client, "ingest_dataset", source=[{"id": 1}], name="orders")
        count = {"task_key": "count", "sql_task": {"statement": "SELECT count(*) FROM orders"}}
        await call(client, "create_job", name="counting", tasks=[count])


class Host:
    """Passes on what the app asks for, as a client of the server, unless it does not like it."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self.refuses = ""
        self.asked: list[str] = []

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        name = params.get("name") or params.get("uri") or ""
        self.asked.append(name)
        if name == self.refuses:
            return {"error": {"code": -32000, "message": "The person at the host said no."}}
        prefix = "io.modelcontextprotocol"
        meta = {
            f"{prefix}/protocolVersion": "2026-07-28",
            f"{prefix}/clientInfo": {"name": "host", "version": "1"},
            f"{prefix}/clientCapabilities": {},
        }
        headers = {
            "Accept": "application/json, text/event-stream",
            "Mcp-Protocol-Version": "2026-07-28",
            "Mcp-Method": method,
            "Mcp-Name": name,
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        answer = self._server.post("/mcp", json=body, headers=headers, timeout=60)
        told = answer.json()
        return {part: told[part] for part in ("result", "error") if part in told}


def shown(look: Look, host: Host) -> tuple[Looking, FrameLocator]:
    """The host with the app in it; nothing in it may ask for anything but through the bridge."""
    looking = look(HOST)
    page = looking.page
    page.expose_function("ask", host.ask)
    headers = {"Content-Security-Policy": POLICY}
    page.route(
        f"{HOST}/",
        lambda route: route.fulfill(body=PAGE, content_type="text/html", headers=headers),
    )
    page.goto(f"{HOST}/")
    app = page.frame_locator("iframe")
    expect(app.get_by_role("navigation", name="Views")).to_be_visible()
    return looking, app


def test_the_app_shows_what_brought_it_and_asks_through_the_host(
    look: Look, server: HttpServer
) -> None:
    host = Host(server)
    looking, app = shown(look, host)
    expect(app.get_by_role("link", name="Datasets 1 1 row")).to_be_visible()
    expect(app.locator("html")).to_have_attribute("data-theme", "dark")
    expect(app.locator(".loading")).to_have_count(0)
    assert {"sync_status", "get_run", "tenant_usage"} <= set(host.asked)
    assert _violations(looking.page) == []
    looking.page.evaluate("tell({ id: 'bye', method: 'ui/resource-teardown', params: {} })")
    looking.page.evaluate(
        "tell({ method: 'ui/notifications/host-context-changed', params: { theme: 'light' } })"
    )
    expect(app.locator("html")).to_have_attribute("data-theme", "light")
    heard = looking.page.evaluate("heard")
    assert heard[:2] == ["ui/initialize", "ui/notifications/initialized"]
    assert {"ui/notifications/size-changed", "an answer"} <= set(heard)


def test_a_job_is_run_from_within_the_host(look: Look, server: HttpServer) -> None:
    _, app = shown(look, Host(server))
    app.get_by_role("link", name="Jobs", exact=True).click()
    app.get_by_role("button", name="Run counting").click()
    app.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()
    expect(app.locator("#said")).to_have_text("Run of counting: success.")
    expect(
        app.get_by_role("table", name="Runs").get_by_role("row", name="counting")
    ).to_be_visible()


def test_what_the_host_refuses_is_told(look: Look, server: HttpServer) -> None:
    host = Host(server)
    host.refuses = "run_job"
    _, app = shown(look, host)
    app.get_by_role("link", name="Jobs", exact=True).click()
    app.get_by_role("button", name="Run counting").click()
    app.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()
    expect(app.get_by_role("alert")).to_contain_text("The person at the host said no.")
    app.get_by_role("button", name="Dismiss").click()
    expect(app.get_by_role("alert")).to_have_count(0)


def test_hosts_have_it_where_the_page_for_browsers_is_switched_off(server: HttpServer) -> None:
    assert server.get("/dashboard").status_code == 404


def _violations(page: Page) -> list[str]:
    """What axe finds inside the frame."""
    [frame] = [frame for frame in page.frames if frame.parent_frame is not None]
    return [each["id"] for each in Axe().run(frame).response["violations"]]
