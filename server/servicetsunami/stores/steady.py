"""Transactions over a driver of asyncio, whose statements cancellation cannot break off."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled
from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from servicetsunami.stores.row_security import limit_to_visible


class SteadyConnection(AsyncConnection):
    """A connection whose statements are run to their end, and then the caller is cancelled.

    Cancelled in the middle of one, the driver is left in a state that it cannot be closed from:
    the event loop would wait for it for ever when the server stops.
    """

    async def execute(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the base says
        """Run a statement that cancellation cannot break off."""
        await checkpoint_if_cancelled()
        with CancelScope(shield=True):
            result = await super().execute(*args, **kwargs)
        await checkpoint_if_cancelled()
        return result


class SteadyTransactions:
    """Transactions of one engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @property
    def pool(self) -> QueuePool:
        """Where its connections are."""
        return cast("QueuePool", self._engine.pool)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SteadyConnection]:
        """One transaction, which sees what may be seen."""
        await checkpoint_if_cancelled()
        connection = SteadyConnection(self._engine)
        with CancelScope(shield=True):
            await connection.start()
        try:
            with CancelScope(shield=True):
                await connection.begin()
                await limit_to_visible(connection)
            yield connection
            await checkpoint_if_cancelled()
            # A cancelled caller must not leave open whether the commit happened.
            with CancelScope(shield=True):
                await connection.commit()
        finally:
            with CancelScope(shield=True):
                # Rolls back whatever was not committed.
                await connection.close()

    async def dispose(self) -> None:
        """Close all connections that are not lent out."""
        await self._engine.dispose()
