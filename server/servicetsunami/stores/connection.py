"""What repositories need of a connection, whichever driver is behind it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import sqlalchemy
from sqlalchemy import CursorResult, Dialect, Executable, QueuePool, ScalarResult

P = ParamSpec("P")
T = TypeVar("T")
Rows = CursorResult[*tuple[Any, ...]]
Row = dict[str, Any] | None
Parameters = Row | list[dict[str, Any]]


class Connection(Protocol):
    """Runs statements inside of one transaction."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL the database speaks."""
        ...

    async def execute(self, statement: Executable, parameters: Parameters = None, /) -> Rows:
        """Run a statement; raises what the driver raises, as SQLAlchemy's errors."""
        ...

    async def scalar(self, statement: Executable, parameters: Row = None, /) -> Any:  # noqa: ANN401 - whatever the column holds
        """The first column of the first row, or None without one."""
        ...

    async def scalars(self, statement: Executable, parameters: Row = None, /) -> ScalarResult[Any]:
        """The first column of all rows."""
        ...

    async def run_sync(
        self,
        function: Callable[Concatenate[sqlalchemy.Connection, P], T],
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run a function that is written for a connection that waits."""
        ...


class Transactions(Protocol):
    """Begins transactions."""

    @property
    def pool(self) -> QueuePool:
        """Where its connections are."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """One transaction: committed at the end of the block, or rolled back where that raises."""
        ...

    async def dispose(self) -> None:
        """Close all connections that are not lent out."""
        ...
