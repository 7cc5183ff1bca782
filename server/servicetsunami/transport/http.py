"""Serves the MCP server over HTTP: Streamable HTTP at /mcp, and the older SSE at /sse."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, cast

import uvicorn
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from servicetsunami.transport.addresses import url_of
from servicetsunami.transport.auditing import Auditor
from servicetsunami.transport.auth import Authenticator
from servicetsunami.transport.calls import CallsInHand
from servicetsunami.transport.dashboard.routes import dashboard_routes
from servicetsunami.transport.guard import MCP_PATH, Guard
from servicetsunami.transport.health import HEALTH_PATHS, health_routes
from servicetsunami.transport.mcp import LakeServer
from servicetsunami.transport.metrics import Metrics, MetricsDoor
from servicetsunami.transport.patience import ImpatientProtocol
from servicetsunami.transport.request_ids import RequestIds
from servicetsunami.transport.resource_metadata import Resource
from servicetsunami.transport.rest.admitted import Desk
from servicetsunami.transport.rest.app import Bodies, routes_of
from servicetsunami.transport.rest.uploads import Uploads
from servicetsunami.transport.shedding import Shedding
from servicetsunami.transport.sse import Sse
from servicetsunami.transport.steering import SteeredProtocol, Steering
from servicetsunami.transport.streamable import Sessions

_KEEP_ALIVE_S: Final = 75
"""Longer than what proxies keep a connection for: they must be the ones to close it."""
_SHUTDOWN_S: Final = 5
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
# Who may call is checked once, by the guard, for every route; the SDK would check its own again.
_CHECKED_BEFORE: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How to listen.

    `public_url` is where clients reach the server, `issuer` who makes tokens for it; `proxies` are
    the addresses whose forwarded headers are believed.
    """

    public_url: str = ""
    issuer: str = ""
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    proxies: Sequence[str] = ()
    body_bytes_max: int = 4 * 2**20
    upload_bytes_max: int = 1024 * 2**20
    body_s: float = 30.0
    drain_s: float = 30.0
    with_sse: bool = True
    with_dashboard: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """What the web app is made of beside the tools.

    Without an authenticator everybody is the one local user. Files that come with a request are
    kept in `upload_dir` while they are read.
    """

    check_ready: Callable[[], Awaitable[None]]
    upload_dir: Path
    authenticator: Authenticator | None = None
    auditor: Auditor | None = None
    metrics: MetricsDoor = field(default_factory=lambda: MetricsDoor(Metrics()))


async def serve(
    server: LakeServer,
    listening: Listening,
    web: Web,
    *,
    bound: socket.socket,
    steering: Steering | None = None,
    on_up: Callable[[str], None] | None = None,
) -> None:
    """Serve at the address until SIGTERM or SIGINT, and until the calls in hand have ended.

    With a steering it is one of several workers, and stops also when the process that has begun it
    is gone. `on_up` is told the address, once requests are answered.
    """
    config = uvicorn.Config(
        _web_app(server, listening, web),
        http=_protocol(steering),
        lifespan="on",
        # Its own handlers would write what ours redact.
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=bool(listening.proxies),
        forwarded_allow_ips=list(listening.proxies),
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    running = _Server(
        config,
        server.admission.in_hand,
        patience_s=listening.drain_s,
        steering=steering,
        on_up=None if on_up is None else partial(on_up, url_of(bound)),
    )
    await running.serve([bound])


def _protocol(steering: Steering | None) -> type[asyncio.Protocol]:
    if steering is None:
        return ImpatientProtocol
    # uvicorn does nothing with the class but call it.
    return cast("type[asyncio.Protocol]", partial(SteeredProtocol, steering))


def _web_app(server: LakeServer, listening: Listening, web: Web) -> ASGIApp:
    """All routes, behind the guard, and what sheds calls before it."""
    resource = Resource(url=listening.public_url, issuer=listening.issuer)
    sessions = Sessions(
        app=server._lowlevel_server,
        max_request_body_size=listening.body_bytes_max,
        security_settings=_CHECKED_BEFORE,
    )
    metrics = web.metrics
    metrics.metrics.sessions.labels("http").set_function(lambda: sessions.count)
    routes: list[BaseRoute] = [
        *health_routes(server.admission.in_hand, web.check_ready),
        *metrics.routes(),
        sessions.route(MCP_PATH),
        *_rest_routes(server, listening, web.upload_dir),
    ]
    sse = None
    if listening.with_sse:
        sse = Sse(
            server,
            body_bytes_max=listening.body_bytes_max,
            security=_CHECKED_BEFORE,
            open_sessions=metrics.metrics.sessions.labels("sse"),
        )
        routes += sse.routes()
    if listening.with_dashboard:
        routes += dashboard_routes(asks_for_credentials=web.authenticator is not None)
    if web.authenticator is not None:
        routes += resource.routes()
    guard = Middleware(
        Guard,
        admission=server.admission,
        security=_security(listening),
        body_bytes_max=listening.body_bytes_max,
        body_s=listening.body_s,
        authenticator=web.authenticator,
        resource=resource,
        auditor=web.auditor,
        sse=sse,
        open_paths=HEALTH_PATHS | metrics.open_paths,
    )
    app = Starlette(
        routes=routes,
        middleware=[Middleware(RequestIds), guard, Middleware(AuthContextMiddleware)],
        lifespan=lambda _: sessions.run(),
    )
    return _shedding(app, server, listening, web, sse)


def _shedding(
    app: ASGIApp, server: LakeServer, listening: Listening, web: Web, sse: Sse | None
) -> ASGIApp:
    """The app behind what sheds calls that are too many, where there is a limit."""
    limits = server.admission.limits
    if limits is None:
        return app
    watchers = [web.metrics.metrics.shed.inc, *([web.auditor.shed] if web.auditor else [])]
    return Shedding(app, limits=limits, body_s=listening.body_s, sse=sse, watchers=watchers)


def _rest_routes(server: LakeServer, listening: Listening, upload_dir: Path) -> list[BaseRoute]:
    desk = Desk(
        services=server.services,
        admission=server.admission,
        caller=server.caller,
        uploads=Uploads(folder=upload_dir),
        is_read_only=server.is_read_only,
    )
    bodies = Bodies(
        bytes_max=listening.body_bytes_max,
        upload_bytes_max=listening.upload_bytes_max,
        body_s=listening.body_s,
    )
    return routes_of(desk, bodies)


def _security(listening: Listening) -> TransportSecuritySettings:
    """By which names the server may be called, and from which pages in a browser."""
    names = [*_LOOPBACK, *listening.hosts]
    pages = [f"http://{name}" for name in _LOOPBACK] + [f"https://{name}" for name in names]
    return TransportSecuritySettings(
        allowed_hosts=[form for name in names for form in (name, f"{name}:*")],
        allowed_origins=[form for page in pages for form in (page, f"{page}:*")]
        + list(listening.origins),
    )


class _Server(uvicorn.Server):
    """Stops in order on a signal, and leaves it at that.

    On the first signal no new calls are taken, and those that run may end; on a second one it
    stops at once. uvicorn raises the signal once more after its own stop, which would end the
    process before our children and counts are looked after.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        in_hand: CallsInHand,
        *,
        patience_s: float,
        steering: Steering | None,
        on_up: Callable[[], None] | None,
    ) -> None:
        super().__init__(config)
        self._in_hand = in_hand
        self._patience_s = patience_s
        self._steering = steering
        self._on_up = on_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self._steering is not None:
            self._steering.take_in(partial(self._handed_over, self._steering))
        if self._on_up is not None and self.started:
            self._on_up()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all connections."""
        if self._steering is not None:
            self._steering.close()
        await super().shutdown(sockets)

    def _handed_over(self, steering: Steering, read: bytes) -> asyncio.Protocol:
        """Serve a connection of which another worker has read something."""
        return SteeredProtocol(
            steering,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            first=read,
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        del sig, frame
        if self._in_hand.is_closed:
            self.should_exit = self.force_exit = True
        else:
            self._in_hand.close(patience_s=self._patience_s)

    async def on_tick(self, counter: int) -> bool:
        """End the loop when there is nothing left to wait for."""
        is_orphaned = self._steering is not None and self._steering.is_orphaned
        if is_orphaned and not self._in_hand.is_closed:
            self._in_hand.close(patience_s=self._patience_s)
        self.should_exit = self.should_exit or self._in_hand.are_done()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ask for an orderly stop when a signal comes."""
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
