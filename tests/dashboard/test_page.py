"""The dashboard as it is served: one page that loads nothing, and lets nothing else in."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import httpx
from mcp.client import Client
from mcp.client.extension import ClientExtension, advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp_types import ReadResourceResult, TextResourceContents
from starlette.applications import Starlette

from servicetsunami.app import App, open_app
from servicetsunami.settings import Settings
from servicetsunami.transport.dashboard.app import URI
from servicetsunami.transport.dashboard.page import FOLDER, MODULES, Page
from servicetsunami.transport.dashboard.routes import dashboard_routes
from servicetsunami.transport.mcp import LakeServer

BYTES_MAX = 150_000
OURS = sorted(FOLDER.glob("*.js"))
APPS = advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})


def asking(*, asks_for_credentials: bool = False) -> httpx.AsyncClient:
    app = Starlette(routes=dashboard_routes(asks_for_credentials=asks_for_credentials))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


def test_the_bundle_stays_small() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < BYTES_MAX
    assert len(Page().html.encode()) < BYTES_MAX


def test_the_page_loads_nothing() -> None:
    html = Page().html
    assert {path.stem for path in OURS} == set(MODULES)
    assert html.count("<script") == html.count("</script") == 1
    assert re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*\"", html) == []
    assert re.findall(r"^(?:import|export) ", html, re.MULTILINE) == []
    assert re.findall(r"\bon\w+=\"|style=\"|javascript:", html.partition("<script")[0]) == []


def test_no_text_can_become_markup() -> None:
    ways = re.compile(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function")
    found = [path.name for path in OURS if ways.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_what_others_wrote_has_its_licence() -> None:
    assert "Leon Sorokin" in (FOLDER / "vendor" / "LICENSE").read_text(encoding="utf-8")


async def test_the_policy_allows_this_script_and_these_styles_alone() -> None:
    async with asking() as http:
        answer = await http.get("/dashboard")
    policy = dict(
        part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
    )
    for directive, tag in (("script-src", "script"), ("style-src", "style")):
        found = re.search(rf"<{tag}[^>]*>(.*?)</{tag}>", answer.text, re.DOTALL)
        assert found is not None
        hashed = b64encode(sha256(found[1].encode()).digest()).decode()
        assert policy.pop(directive) == f"'sha256-{hashed}'"
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_a_page_that_has_not_changed_is_not_sent_again() -> None:
    async with asking() as http:
        tag = (await http.get("/dashboard")).headers["etag"]
        again = await http.get("/dashboard", headers={"If-None-Match": tag})
    async with asking(asks_for_credentials=True) as http:
        other = await http.get("/dashboard", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert other.status_code == 200
    assert '<html lang="en" data-signs-in>' in other.text


async def test_hosts_of_apps_are_offered_the_page_and_others_are_spared(tmp_path: Path) -> None:
    async with open_app(Settings(data_dir=tmp_path)) as app:
        assert await _tied(app, APPS) == {"tenant_usage": {"ui": {"resourceUri": URI}}}
        assert await _tied(app) == {}
        assert await _tied(app, advertise(EXTENSION_ID, {"mimeTypes": ["text/plain"]})) == {}


async def _tied(app: App, *extensions: ClientExtension) -> dict[str, object]:
    """The tools that name something in their `_meta`, for a client with these extensions."""
    server = LakeServer(app.services, app.caller)
    async with Client(server, extensions=extensions) as client:
        assert EXTENSION_ID in (client.server_capabilities.extensions or {})
        listed = await client.list_tools()
    return {tool.name: tool.meta for tool in listed.tools if tool.meta}


async def test_the_page_is_read_as_an_app(tmp_path: Path) -> None:
    async with (
        open_app(Settings(data_dir=tmp_path)) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        [listed] = (await client.list_resources()).resources
        read = await client.read_resource(URI)
    assert isinstance(read, ReadResourceResult)
    [content] = read.contents
    assert isinstance(content, TextResourceContents)
    assert str(listed.uri) == URI
    assert (content.mime_type, content.text) == (APP_MIME_TYPE, Page().html)
