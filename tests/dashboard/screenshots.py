"""Takes the pictures of the documentation: `python -m tests.dashboard.screenshots`.

The lake is that of `make demo`, with runs, and half of it sent to the fake workspace of the tests.
The calls of the days before are made up: nobody waits a week for a picture.
"""

import tempfile
from pathlib import Path
from typing import Final

import anyio
from playwright.sync_api import Browser, Page, expect
from rich.console import Console

from servicetsunami.cli import demo_data
from tests.dashboard.browser import chromium
from tests.dashboard.lakes import database, fill, put_calls
from tests.databricks.connecting import environment
from tests.fakes.databricks import FakeWorkspace
from tests.hosted.serving import HttpServer, connected, http_server

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
BYTES_MAX: Final = 150_000
_WIDE: Final = {"width": 1280, "height": 860}
_NARROW: Final = {"width": 360, "height": 740}


def main() -> None:
    """Fill a lake, look at it, and keep what is seen."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with FakeWorkspace.running(folder / "workspace") as workspace:
            roots = {"SERVICETSUNAMI_ALLOWED_ROOTS": str(demo_data.data_folder())}
            with http_server(folder, **roots, **environment(workspace)) as server:
                anyio.run(_fill, server, workspace, folder / "data")
                with chromium() as browser:
                    _take_all(browser, server.url)


async def _fill(server: HttpServer, workspace: FakeWorkspace, data_dir: Path) -> None:
    async with connected(server, "nobody's") as client:
        await fill(client, workspace)
    calls = (0, 61, 84, 37, 112, 95, 48, 140)
    await put_calls(database(data_dir), 7, lambda day: calls[day])


def _take_all(browser: Browser, url: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    for scheme in ("light", "dark"):
        page = _open(browser, url, "overview", scheme=scheme, size=_WIDE)
        page.wait_for_selector(".chart canvas")
        _take(page, f"overview-{scheme}")
    page = _open(browser, url, "jobs", scheme="light", size=_WIDE)
    page.get_by_role("table", name="Runs").get_by_role("button", name="daily summary").first.click()
    page.wait_for_selector(".tasks")
    _take(page, "jobs-light")
    page = _open(browser, url, "sync", scheme="dark", size=_WIDE)
    page.get_by_role("table", name="Outbox").wait_for()
    _take(page, "sync-dark")
    page = _open(browser, url, "datasets", scheme="light", size=_WIDE)
    page.get_by_role("button", name="default.daily").click()
    page.wait_for_selector(".grid")
    _take(page, "datasets-light")
    page = _open(browser, url, "notebooks", scheme="light", size=_WIDE)
    page.get_by_role("button", name="reports/delays").first.click()
    page.get_by_role("table", name="Runs of reports/delays").get_by_role(
        "button", name="reports/delays"
    ).first.click()
    page.wait_for_selector(".cell")
    _take(page, "notebooks-light")
    page = _open(browser, url, "overview", scheme="light", size=_NARROW)
    page.wait_for_selector(".chart canvas")
    _take(page, "overview-360")
    page = _open(browser, url, "datasets", scheme="dark", size=_NARROW)
    page.get_by_role("table", name="Datasets").wait_for()
    _take(page, "datasets-360")


def _open(browser: Browser, url: str, view: str, *, scheme: str, size: dict[str, int]) -> Page:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": size["width"], "height": size["height"]},
        locale="en-GB",
        timezone_id="Europe/London",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{url}/dashboard#{view}")
    page.get_by_role("navigation", name="Views").wait_for()
    expect(page.locator(".loading")).to_have_count(0)
    return page


def _take(page: Page, name: str) -> None:
    expect(page.locator(".loading")).to_have_count(0)
    file = FOLDER / f"dashboard-{name}.png"
    page.screenshot(path=file)
    size = file.stat().st_size
    if size > BYTES_MAX:
        raise AssertionError(f"{file.name} has {size} bytes.")
    Console().print(f"{file.name}: {size:,} bytes")
    page.context.close()


if __name__ == "__main__":
    main()
