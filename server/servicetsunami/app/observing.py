"""How the server stands at the moment, for whoever watches it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from servicetsunami.app.opening import App
from servicetsunami.domain.reading import Reading
from servicetsunami.errors import ServerError
from servicetsunami.stores.visibility import everybody

if TYPE_CHECKING:
    from servicetsunami.transport.admission import Watcher
    from servicetsunami.transport.metrics import Metrics, MetricsDoor
    from servicetsunami.transport.steering import Steering


def metrics_door(app: App, steering: "Steering | None" = None) -> "MetricsDoor":
    """What serves the figures, open to whom the settings say."""
    from servicetsunami.transport.metrics import Metrics, MetricsDoor  # noqa: PLC0415 - over HTTP

    settings = app.settings
    token = settings.metrics_token
    return MetricsDoor(
        Metrics(by_tenant=settings.metrics_tenants),
        _Observer(app).look,
        token=None if token is None else token.get_secret_value(),
        if_open=not settings.asks_for_credentials,
        worker=1 if steering is None else steering.number + 1,
        workers=1 if steering is None else steering.count,
    )


def watchers(metrics: "Metrics") -> "tuple[Watcher, ...]":
    """What sees every operation and its outcome, to count, trace and tell of it."""
    from servicetsunami.transport.call_logs import log_operation  # noqa: PLC0415 - over HTTP
    from servicetsunami.transport.spans import trace_operation  # noqa: PLC0415

    return metrics.watch, trace_operation, log_operation


class _Observer:
    """Reads the figures that are not counted as operations end."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def look(self) -> list[Reading]:
        """All figures; those of the database are left out while it does not answer."""
        found = [*self._children(), *self._workspace()]
        try:
            found += await self._database()
            is_up = True
        except ServerError:
            is_up = False
        meaning = "Whether the metadata database answers."
        return [*found, Reading(name="servicetsunami_database_up", meaning=meaning, value=is_up)]

    def _children(self) -> Iterator[Reading]:
        for kind, pool in self._app.pools.items():
            yield from _by_state(
                "servicetsunami_worker_processes",
                "Child processes, by what they do and whether they are at work.",
                {"busy": pool.busy, "idle": pool.idle},
                kind=kind,
            )
        kernels = self._app.kernel_pools
        yield from _by_state(
            "servicetsunami_kernel_processes",
            "Kernels of notebooks, by whether they run one.",
            {
                "busy": sum(pool.busy for pool in kernels),
                "idle": sum(pool.idle for pool in kernels),
            },
        )

    def _workspace(self) -> Iterator[Reading]:
        workspace = self._app.connection.opened
        if workspace is None:
            return
        client = workspace.client
        for status, count in client.answers.items():
            yield Reading(
                name="servicetsunami_databricks_requests",
                meaning="Requests sent to Databricks, by the status of the answer; 0 for none.",
                value=count,
                labels={"status": str(status)},
                is_count=True,
            )
        now = client.breaker.state
        yield from _by_state(
            "servicetsunami_databricks_breaker",
            "How the breaker towards Databricks stands: 1 at its state.",
            {state.value: state is now for state in type(now)},
        )

    async def _database(self) -> list[Reading]:
        metadata = self._app.metadata
        with everybody():
            async with metadata.read() as transaction:
                depth = await transaction.outbox.depth_of_all()
                runs = await transaction.runs.active_of_all()
        oldest = depth.oldest_at
        age_s = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
        return [
            *_by_state(
                "servicetsunami_outbox_items",
                "Changes that have not reached Databricks.",
                {"waiting": depth.items, "parked": depth.parked},
            ),
            Reading(
                name="servicetsunami_outbox_oldest_seconds",
                meaning="Age of the oldest of them; 0 where there is none.",
                value=max(0.0, age_s),
            ),
            *_by_state("servicetsunami_runs", "Runs that have not ended.", runs),
            Reading(
                name="servicetsunami_database_connections",
                meaning="Connections to the metadata database that are in use.",
                value=metadata.connections_in_use,
            ),
        ]


def _by_state(
    name: str, meaning: str, values: Mapping[str, float], **labels: str
) -> Iterator[Reading]:
    """One reading for each state."""
    for state, value in values.items():
        yield Reading(name=name, meaning=meaning, value=value, labels=labels | {"state": state})
