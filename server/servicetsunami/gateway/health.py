"""How the workspace is: reachable, signed in, with a warehouse; asked seldom and quickly."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from servicetsunami.domain.remote import WorkspaceHealth
from servicetsunami.errors import RemoteError, RemoteUnavailable, ServerError
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.retry import Replay
from servicetsunami.gateway.warehouses import Warehouses

ME: Final = "/api/2.0/preview/scim/v2/Me"
_PART_S: Final = 3.0
_FRESH_S: Final = 30.0


class Health:
    """Asks who we are and how the warehouse is, at most every 30 s."""

    def __init__(
        self,
        client: WorkspaceClient,
        warehouses: Warehouses,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._warehouses = warehouses
        self._clock = clock
        self._known: WorkspaceHealth | None = None
        self._known_at = 0.0

    async def check(self, *, fresh: bool = False) -> WorkspaceHealth:
        """What was found less than 30 s ago, else what is found now. Never raises a RemoteError.

        `fresh` asks the workspace even while the breaker would leave it alone.
        """
        known = self._known
        is_old = self._clock() - self._known_at > _FRESH_S
        # What others have learnt since counts more than what was well a moment ago.
        has_failed = known is not None and not known.error and self._client.breaker.last_error
        if fresh:
            self._client.breaker.try_now()
        if known is None or fresh or is_old or has_failed:
            known = self._known = await self._look()
            self._known_at = self._clock()
        return known

    async def _look(self) -> WorkspaceHealth:
        started = self._clock()
        reachable = authenticated = False
        user = warehouse_id = state = None
        failure: ServerError | None = None
        try:
            me = await self._client.send("GET", ME, replay=Replay.SAFE, deadline_s=_PART_S)
            reachable = authenticated = True
            user = str(me.get("userName") or me.get("displayName") or "")
            warehouse_id = await self._warehouses.choose()
            state = await self._warehouses.state(warehouse_id, deadline_s=_PART_S)
        except ServerError as error:
            failure = error
            is_answer = isinstance(error, RemoteError) and not isinstance(error, RemoteUnavailable)
            reachable = reachable or is_answer
        return WorkspaceHealth(
            reachable=reachable,
            authenticated=authenticated,
            user=user,
            warehouse_id=warehouse_id,
            warehouse_state=state,
            breaker_state=self._client.breaker.state.value,
            error=failure.what if failure else None,
            next_step=failure.next_step if failure else None,
            checked_at=datetime.now(UTC),
            latency_ms=round((self._clock() - started) * 1000),
        )
