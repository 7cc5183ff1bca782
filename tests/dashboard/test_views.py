"""The dashboard in a real browser, over a real server with tenants and a workspace."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.dashboard.conftest import Look, Looking, outside
from tests.dashboard.lakes import MARKUP, copy_dataset, fill_badly
from tests.databricks.connecting import environment
from tests.fakes.databricks import FakeWorkspace
from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer, connected, http_server
from tests.server.asking import call

pytestmark = pytest.mark.slow

VIEWS = ("overview", "datasets", "notebooks", "jobs", "models", "sync", "usage")
MANY = 10_000
ACTIONS = ":is(a, button, input, select):not(:disabled)"
CREDENTIAL = "servicetsunami.credential"


AUDIT = "lake://audit"
NOW = "2026-01-01T00:00:00+00:00"
RECORD = {
    "number": 1,
    "at": NOW,
    "operation": "cancel_run",
    "outcome": "denied",
    "subject": "ada",
    "assets": [MARKUP],
    "seconds": 0.1,
}
SHARE = {"used": 80.5, "limit": 100, "percent": 80.5, "unit": "USD", "state": "nearly used up"}
MORE_USAGE = {
    "budget": {"limits": {"list_cost": SHARE}, "warning": "81 % of list_cost is used."},
    "quotas": {"storage_bytes": 50_000_000_000, "indexes": 3},
    "figures": {"run_seconds": {"value": 3.5, "is_exact": False, "as_of": NOW}},
    "cost": {
        "state": "known",
        "list_cost": 4.2,
        "dbus": 6,
        "products": [{"product": "SQL", "dbus": 6, "list_cost": 4.2, "is_exact": True}],
    },
}


@dataclass(frozen=True, slots=True)
class Place:
    """A server that has been lived in."""

    server: HttpServer
    issuer: Issuer
    folder: Path

    def token(self, tenant: str = "busy", **claims: Any) -> str:
        return self.issuer.token(tenant, **claims)


UNLIMITED = {
    "SERVICETSUNAMI_CALLS_PER_MINUTE": "1000000",
    "SERVICETSUNAMI_CALLS_PER_MINUTE_OF_SUBJECT": "1000000",
}
"""Whoever waits for the sync here asks again and again."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, issuer = tmp_path_factory.mktemp("dashboard"), Issuer()
    with FakeWorkspace.running(folder / "workspace") as workspace:
        settings = issuer.settings(folder) | environment(workspace) | UNLIMITED
        with http_server(folder, **settings) as server:
            outside(_fill, server, issuer, workspace)
            yield Place(server, issuer, folder)


async def _fill(server: HttpServer, issuer: Issuer, workspace: FakeWorkspace) -> None:
    async with connected(server, issuer.token("busy")) as client:
        await fill_badly(client, workspace, "servicetsunami_busy")


def signed_in(look: Look, place: Place, tenant: str = "busy", **how: object) -> Looking:
    """A look at a tenant's dashboard, by somebody who has signed in before in this tab."""
    looking = look(place.server.url, **how)
    kept = f"sessionStorage.setItem({CREDENTIAL!r}, {json.dumps(place.token(tenant))})"
    looking.context.add_init_script(kept)
    return looking


def settled(page: Page) -> Page:
    """Wait until everything that is looked for has come."""
    expect(page.get_by_role("navigation", name="Views")).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)
    return page


def violations(page: Page) -> list[tuple[str, str]]:
    """What axe finds, by its rule and the first element."""
    found = Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found]


def width_left_over(page: Page) -> int:
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_every_view_is_accessible(look: Look, place: Place, is_dark: bool) -> None:
    looking = signed_in(look, place, dark=is_dark)
    page = settled(looking.open())
    found = {}
    for view in VIEWS:
        page.locator(f"nav a[href='#{view}']").click()
        settled(page)
        for opener in page.locator("main .opener").all()[:1]:
            opener.click()
        settled(page)
        found[view] = violations(page)
    assert found == {view: [] for view in VIEWS}


@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_screen_scrolls_only_downwards(look: Look, place: Place, view: str) -> None:
    page = settled(signed_in(look, place, width=360).open(view))
    for opener in page.locator("main .opener").all()[:3]:
        opener.click()
        settled(page)
    assert width_left_over(page) <= 0
    assert violations(page) == []


def test_a_tenant_without_anything_is_told_how_to_begin(look: Look, place: Place) -> None:
    page = settled(signed_in(look, place, "newcomer").open())
    expect(page.get_by_text("There is nothing here yet.")).to_be_visible()
    for view in VIEWS:
        page.locator(f"nav a[href='#{view}']").click()
        settled(page)
        assert violations(page) == []
        # The page's own calls are use as well, once they are counted.
        nothing = page.locator(".empty").or_(page.get_by_role("table", name="Usage by tool"))
        expect(nothing.first).to_be_visible()
    # What the page itself has asked is on record by now.
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("row", name="tenant_usage ok").first).to_be_visible()
    assert violations(page) == []


def test_what_is_on_its_way_is_shown_as_loading(look: Look, place: Place) -> None:
    looking, held = signed_in(look, place), list[Route]()
    looking.page.route("**/mcp", partial(_hold, held))
    page = looking.open("datasets")
    expect(page.get_by_role("status").get_by_text("Loading")).to_have_count(1)
    assert violations(page) == []
    looking.page.route("**/mcp", lambda route: route.continue_())
    for route in held:
        route.continue_()
    expect(page.get_by_role("table", name="Datasets")).to_be_visible()


def _hold(held: list[Route], route: Route) -> None:
    """Let the handshake through, and nothing of what the views ask for."""
    if route.request.headers["mcp-method"] == "tools/call":
        held.append(route)
    else:
        route.continue_()


def test_an_error_says_what_and_what_next_and_can_be_tried_again(look: Look, place: Place) -> None:
    looking = look(place.server.url, calm=False)
    page = looking.open("datasets")
    sign_in(page, place.token(scope="lake:run"))
    alert = page.get_by_role("alert").first
    expect(alert).to_contain_text("list_assets needs the scope lake:read")
    expect(alert).to_contain_text("Ask for a credential with it.")
    assert violations(page) == []
    with page.expect_request("**/mcp"):
        page.get_by_role("button", name="Try again").first.click()


def test_ten_thousand_rows_come_in_pages_and_stay_quick(look: Look, place: Place) -> None:
    outside(_first_table, place.server, place.token("many"))
    copy_dataset(place.folder / "data", "many", copies=MANY - 1)
    page = settled(signed_in(look, place, "many").open("datasets"))
    table = page.get_by_role("table", name="Datasets")
    expect(page.get_by_text(re.compile("^1.50 of 10,000 datasets$"))).to_be_visible()
    expect(table.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("^51.100 of 10,000 datasets$"))).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_focused()
    expect(table.get_by_role("button", name="table_00049")).to_be_visible()
    page.get_by_label("Search datasets").fill("09876")
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_label("Search datasets")).to_be_focused()
    assert page.evaluate("document.querySelectorAll('*').length") < 2_000
    assert violations(page) == []


async def _first_table(server: HttpServer, token: str) -> None:
    async with connected(server, token) as client:
        await call(client, "ingest_dataset", source=[{"id": 1}], name="a_table")


def test_markup_in_names_outputs_and_errors_is_text(look: Look, place: Place) -> None:
    page = settled(signed_in(look, place).open("jobs"))
    expect(page.get_by_role("table", name="Jobs").get_by_text(MARKUP)).to_be_visible()
    page.get_by_role("table", name="Runs").get_by_role("button", name="bad/outputs").click()
    cell = page.locator(".cell").first
    expect(cell.get_by_text(MARKUP)).to_have_count(4)
    expect(cell.locator("pre.error")).to_contain_text(MARKUP)
    expect(cell.locator("img")).to_have_attribute("src", re.compile(r"^data:image/png;base64,"))
    page.get_by_role("button", name=f"Run {MARKUP}").click()
    expect(page.get_by_role("dialog").get_by_text(MARKUP)).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("nav a[href='#datasets']").click()
    page.get_by_role("button", name="default.orders").click()
    expect(page.get_by_role("region", name="Sample").get_by_text(MARKUP)).to_have_count(3)
    assert page.evaluate("window.pwned") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("script").count() == 1


def test_a_job_is_run_and_its_run_cancelled(look: Look, place: Place) -> None:
    page = settled(signed_in(look, place).open("jobs"))
    page.get_by_role("button", name="Run slow job").click()
    dialog = page.get_by_role("dialog", name="Run slow job?")
    assert violations(page) == []
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#said")).to_contain_text("Run of slow job has started.")
    run = page.get_by_role("table", name="Runs").get_by_role("row", name="slow job")
    expect(run).to_contain_text("running")
    run.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog", name="Cancel the run of slow job?")
    dialog.get_by_role("button", name="Cancel the run").click()
    expect(run).to_contain_text("canceled")


def test_a_notebook_is_executed_and_its_outputs_shown(look: Look, place: Place) -> None:
    page = settled(signed_in(look, place).open("notebooks"))
    page.get_by_role("button", name="Execute bad/outputs").click()
    page.get_by_label("Parameters, a line for each").fill("limit=3")
    page.get_by_role("dialog").get_by_role("button", name="Execute").click()
    expect(page.locator("#said")).to_contain_text("Run of bad/outputs: failed.")
    runs = page.get_by_role("table", name="Runs of bad/outputs")
    runs.get_by_role("button", name="bad/outputs").first.click()
    expect(page.get_by_text("limit=3")).to_be_visible()
    expect(page.locator(".cell pre.error")).to_contain_text("ValueError")


def test_what_is_parked_is_decided_about(look: Look, place: Place) -> None:
    page = settled(signed_in(look, place).open("sync"))
    row = page.get_by_role("table", name="Outbox").get_by_role(
        "row", name="default.refunds dataset"
    )
    expect(row).to_contain_text("parked")
    expect(page.locator("tr.more")).to_contain_text("It was changed on Databricks.")
    row.get_by_role("button", name="Drop").click()
    drop = page.get_by_role("dialog").get_by_role("button", name="Drop")
    expect(drop).to_be_disabled()
    page.get_by_label("Type its name to confirm").fill("default.refunds")
    expect(drop).to_be_enabled()
    page.get_by_role("dialog").get_by_role("button", name="Not now").click()
    expect(row).to_contain_text("parked")


def test_everything_is_reached_by_keyboard_and_seen(look: Look, place: Place) -> None:
    page = settled(signed_in(look, place).open("jobs"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    wanted = page.locator(f"main {ACTIONS}").count()
    reached = []
    while len(reached) < wanted:
        page.keyboard.press("Tab")
        place_in_order, outline = page.evaluate(
            "(actions) => { const at = document.activeElement; return ["
            " [...document.querySelectorAll(`main ${actions}`)].indexOf(at),"
            " getComputedStyle(at).outlineStyle]; }",
            ACTIONS,
        )
        assert outline == "solid"
        reached.append(place_in_order)
    assert reached == list(range(wanted))
    run = page.get_by_role("button", name="Run quick job")
    run.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(run).to_be_focused()


def test_while_the_server_is_gone_what_is_known_stays_and_it_comes_back(
    look: Look, place: Place
) -> None:
    looking = signed_in(look, place, calm=False)
    page = settled(looking.open("datasets"))
    looking.context.set_offline(True)
    page.get_by_role("button", name="Refresh").click()
    notice = page.locator(".notice")
    expect(notice).to_contain_text("The server does not answer. What you see was current")
    expect(page.get_by_role("button", name="default.orders")).to_be_visible()
    assert violations(page) == []
    looking.context.set_offline(False)
    expect(page.locator("#said")).to_have_text("The server is back.")
    expect(notice).to_have_count(0)


def test_a_page_that_nobody_sees_asks_for_nothing(look: Look, place: Place) -> None:
    looking = signed_in(look, place)
    looking.context.add_init_script(
        "Object.defineProperty(document, 'hidden', { get: () => window.away === true })"
    )
    looking.page.clock.install()
    page = settled(looking.open("sync"))
    page.evaluate("window.away = true")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_request("**/mcp"):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")


def _with_more(route: Route) -> None:
    """What servers tell that have budgets and an audit record."""
    answer = route.fetch()
    told, asked = answer.json(), json.loads(route.request.post_data or "")
    if asked["params"].get("name") == "tenant_usage":
        told["result"]["structuredContent"] |= MORE_USAGE
    elif asked["method"] == "resources/list":
        told["result"]["resources"].append({"uri": AUDIT, "name": "audit"})
    elif asked["params"].get("uri") == AUDIT:
        text = f"<data-0a1b2c3d>{json.dumps([RECORD])}</data-0a1b2c3d>"
        content = {"uri": AUDIT, "text": text}
        route.fulfill(json={"jsonrpc": "2.0", "id": asked["id"], "result": {"contents": [content]}})
        return
    route.fulfill(response=answer, json=told)


def test_budgets_costs_and_the_audit_record_are_shown_where_there_are_any(
    look: Look, place: Place
) -> None:
    looking = signed_in(look, place)
    looking.page.route("**/mcp", _with_more)
    page = settled(looking.open("usage"))
    expect(page.get_by_text("80.5 of 100 USD")).to_be_visible()
    expect(page.get_by_text(re.compile("of 50 GB"))).to_be_visible()
    expect(page.get_by_text("81 % of list_cost")).to_be_visible()
    figures = page.get_by_role("table", name="Figures")
    expect(figures.get_by_role("row", name="run seconds")).to_contain_text("estimated")
    products = page.get_by_role("table", name="Cost by product")
    expect(products.get_by_role("row", name="SQL")).to_contain_text("4.20")
    assert violations(page) == []
    page.get_by_role("link", name="Audit").click()
    audit = page.get_by_role("table", name="Audit")
    expect(audit.get_by_role("row", name="cancel_run")).to_contain_text("denied")
    expect(audit.get_by_text(MARKUP)).to_be_visible()
    assert violations(page) == []


def sign_in(page: Page, credential: str) -> None:
    page.get_by_label("API key or token").fill(credential)
    page.keyboard.press("Enter")


def test_a_credential_is_asked_for_and_kept_in_the_tab_alone(look: Look, place: Place) -> None:
    looking = look(place.server.url, calm=False)
    page = looking.open("datasets")
    expect(page.get_by_label("API key or token")).to_be_focused()
    assert looking.troubles == []
    assert violations(page) == []
    sign_in(page, "st_wrong")
    expect(page.get_by_role("alert")).to_contain_text("The API key is not valid.")
    sign_in(page, place.token())
    settled(page)
    assert page.evaluate("[localStorage.length, document.cookie, location.search]") == [0, "", ""]
    page.reload()
    settled(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key or token")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_credential_that_may_only_read_is_offered_nothing_else(look: Look, place: Place) -> None:
    looking = look(place.server.url)
    page = looking.open("jobs")
    sign_in(page, place.token(scope="lake:read"))
    settled(page)
    expect(page.get_by_role("table", name="Jobs")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Run |^Cancel|^Repair"))).to_have_count(0)
    page.locator("nav a[href='#sync']").click()
    settled(page)
    expect(page.get_by_role("button", name=re.compile("Retry|Drop|Pull"))).to_have_count(0)
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)


def test_the_theme_can_be_chosen_and_is_remembered(look: Look, place: Place) -> None:
    page = settled(signed_in(look, place).open())
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate(ground) != light
    page.reload()
    expect(settled(page).get_by_role("button", name="Theme: dark")).to_be_visible()


def test_the_back_button_goes_back(look: Look, place: Place) -> None:
    page = settled(signed_in(look, place).open())
    page.locator("nav a[href='#usage']").click()
    expect(page).to_have_title("Usage · ServiceTsunami")
    page.go_back()
    expect(page).to_have_title("Overview · ServiceTsunami")
    expect(page.locator("nav a[aria-current='page']")).to_have_text("Overview")
