"""What a Prometheus reads at /metrics: counts of operations, and how the server stands."""

import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from servicetsunami.domain.audit import Outcome
from servicetsunami.domain.reading import Reading
from servicetsunami.transport.admission import Operation

METRICS_PATH: Final = "/metrics"
WORKER: Final = "worker"
"""The parameter that says which of several workers is asked."""
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0)

# They take no time, and there may be very many: they would hide how long the others take.
_NOT_LET_IN: Final = frozenset({Outcome.DENIED, Outcome.LIMITED})


Look = Callable[[], Awaitable[Sequence[Reading]]]


class Metrics:
    """Counts operations as a watcher of Admission, in a registry of its own.

    Names of tenants become labels only where `by_tenant` says so: every one of them is a series
    for each operation.
    """

    def __init__(self, *, by_tenant: bool = False) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._by_tenant = by_tenant
        whose = ("tenant",) if by_tenant else ()
        self._ended = Counter(
            "servicetsunami_operations",
            "Operations that have ended, by name, door and outcome.",
            ("operation", "door", "outcome", *whose),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "servicetsunami_operation_seconds",
            "How long operations took that were let in.",
            ("operation", "door"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._running = Gauge(
            "servicetsunami_operations_running",
            "Operations that are going on.",
            ("door",),
            registry=self._registry,
        )
        self.sessions = Gauge(
            "servicetsunami_sessions",
            "Sessions that clients have open.",
            ("transport",),
            registry=self._registry,
        )
        self.shed = Counter(
            "servicetsunami_calls_shed",
            "Calls that were refused unread, since the server had too many in hand.",
            registry=self._registry,
        )
        # To find a counter by its labels takes as long as all else that is counted of a call.
        self._running_at = cache(self._running.labels)
        self._ended_of = cache(self._ended.labels)
        self._seconds_of = cache(self._seconds.labels)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    @asynccontextmanager
    async def watch(self, operation: Operation) -> AsyncGenerator[None]:
        """Count an operation while it runs, and note how it ended."""
        running = self._running_at(operation.door)
        running.inc()
        try:
            yield
        finally:
            running.dec()
            whose = (operation.caller.tenant,) if self._by_tenant else ()
            name, door = operation.name, operation.door
            self._ended_of(name, door, operation.outcome.value, *whose).inc()
            if operation.outcome not in _NOT_LET_IN:
                self._seconds_of(name, door).observe(operation.seconds)

    def written(self, readings: Iterable[Reading], accept: str) -> tuple[bytes, str]:
        """All figures in the form that a scraper accepts, and the name of that form."""
        encode, content_type = choose_encoder(accept)
        return encode(_Together(self._registry, readings)), content_type


class _Together:
    """What was counted, followed by what stands now."""

    def __init__(self, counted: CollectorRegistry, readings: Iterable[Reading]) -> None:
        self._counted = counted
        self._readings = readings

    def collect(self) -> Iterable[Metric]:
        """All families of figures."""
        yield from self._counted.collect()
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for each in self._readings:
            kind = CounterMetricFamily if each.is_count else GaugeMetricFamily
            family = families.setdefault(
                each.name, kind(each.name, each.meaning, labels=tuple(each.labels))
            )
            family.add_metric(tuple(each.labels.values()), each.value)
        yield from families.values()


class MetricsDoor:
    """Serves the figures at METRICS_PATH, to whoever knows the token.

    No scope of a tenant opens it: the figures are those of all tenants. Without a token it is
    there only `if_open`, where the server asks nobody for a credential. One of several `workers`
    answers only who asks for it by its number, from 1: its figures are not those of all of them.
    """

    def __init__(
        self,
        metrics: Metrics,
        look: Look | None = None,
        *,
        token: str | None = None,
        if_open: bool = False,
        worker: int = 1,
        workers: int = 1,
    ) -> None:
        self.metrics = metrics
        self._worker = worker
        self._workers = workers
        self._look = look
        self._token = token
        self._is_offered = if_open or token is not None

    @property
    def open_paths(self) -> frozenset[str]:
        """The path, where it has a credential of its own and needs no other."""
        return frozenset({METRICS_PATH} if self._token is not None else ())

    def is_open_to(self, headers: Headers) -> bool:
        """Whether the request has the token, or none is needed."""
        if self._token is None:
            return True
        expected = f"Bearer {self._token}".encode()
        return hmac.compare_digest(headers.get("authorization", "").encode(), expected)

    def routes(self) -> list[BaseRoute]:
        """The one route, where it is offered."""
        route = Route(METRICS_PATH, self._answer, methods=["GET"])
        return [route] if self._is_offered else []

    async def _answer(self, request: Request) -> Response:
        if not self.is_open_to(request.headers):
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return PlainTextResponse("unauthorized\n", status_code=401, headers=challenge)
        if self._workers > 1 and request.query_params.get(WORKER) != str(self._worker):
            each = f"{METRICS_PATH}?{WORKER}=1 to {METRICS_PATH}?{WORKER}={self._workers}"
            told = f"Each of the {self._workers} workers counts for itself. Ask {each}.\n"
            return PlainTextResponse(told, status_code=400)
        readings = () if self._look is None else await self._look()
        text, form = self.metrics.written(readings, request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": form})
