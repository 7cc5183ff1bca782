"""A browser for each module of tests, and servers for it to look at."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.dashboard.browser import chromium

PATIENCE_MS = 20_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def outside(work: Callable[..., Any], *arguments: Any) -> None:
    """Run a coroutine function in a thread: Playwright has the event loop of this one."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(anyio.run, work, *arguments).result()


@dataclass
class Looking:
    """One look at the dashboard, and all that went wrong meanwhile."""

    url: str
    context: BrowserContext
    page: Page
    troubles: list[str] = field(default_factory=list)

    def open(self, view: str = "overview") -> Page:
        self.page.goto(f"{self.url}/dashboard#{view}")
        return self.page

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:")):
            self.troubles.append(f"asked {request.url}")

    def watch(self) -> None:
        """Note every word on the console, every error, and every request to elsewhere."""
        self.page.on("console", lambda message: self.troubles.append(message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", self._asked)


Look = Callable[..., Looking]


@pytest.fixture(autouse=True)
def patience() -> None:
    """Wait as long for what is expected as for all else: a page looks again every few seconds."""
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Open pages; those that are not told to be in trouble must have had none at the end."""
    opened: list[Looking] = []

    def begin(url: str, *, width: int = 1280, dark: bool = False, calm: bool = True) -> Looking:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            locale="en-GB",
            timezone_id="Europe/London",
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        looking = Looking(url, context, context.new_page())
        looking.watch()
        if calm:
            opened.append(looking)
        return looking

    yield begin
    for each in opened:
        assert each.troubles == []
        each.context.close()
