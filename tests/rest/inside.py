"""The routes within the process of a test, so that it can look behind them."""

from typing import Any

import httpx
from starlette.applications import Starlette

from servicetsunami.app import App
from servicetsunami.transport.admission import Admission
from servicetsunami.transport.rest.admitted import Desk
from servicetsunami.transport.rest.app import Bodies, routes_of
from servicetsunami.transport.rest.uploads import Uploads

BODIES = Bodies(bytes_max=2**20, upload_bytes_max=2**20, body_s=30)


def desk_of(app: App, **other: Any) -> Desk:
    """What the routes of an app need, unless the test wants something else."""
    needed: dict[str, Any] = {
        "services": app.services,
        "admission": Admission(),
        "caller": app.caller,
        "uploads": Uploads(folder=app.settings.data_dir / "temp"),
    }
    return Desk(**(needed | other))


def client_of(desk: Desk, *, is_raising: bool = False) -> httpx.AsyncClient:
    """A client of the routes at this desk; it may raise what a server would log."""
    web = Starlette(routes=routes_of(desk, BODIES))
    transport = httpx.ASGITransport(web, raise_app_exceptions=is_raising)
    return httpx.AsyncClient(transport=transport, base_url="http://here", timeout=60)
