"""The one way in for every operation, whichever door it comes by: scope, limits, watchers."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from pydantic import ValidationError

from servicetsunami.domain.audit import Outcome, outcome_of
from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.errors import ServerError
from servicetsunami.transport.calls import CallsInHand
from servicetsunami.transport.limits import Limits
from servicetsunami.transport.scopes import require
from servicetsunami.transport.turns import Turns

_NO_ARGUMENTS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(slots=True, kw_only=True)
class Operation:
    """One operation of a caller: what was asked, and how it ended once it has."""

    caller: Caller
    name: str
    door: str
    """`mcp` or `rest`."""
    arguments: Mapping[str, object]
    id: str = field(default_factory=lambda: uuid4().hex)
    """Names it in the audit record."""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    outcome: Outcome = Outcome.RUNNING
    error: str = ""
    """The class of the error, such as `NotFound`."""


Watcher = Callable[[Operation], AbstractAsyncContextManager[None]]


class Admission:
    """Admits operations one by one.

    Each watcher is entered before an operation is checked, and left when it has ended: it sees
    what was refused too, and how all of it ended.
    """

    def __init__(self, limits: Limits | None = None, watchers: Sequence[Watcher] = ()) -> None:
        self.in_hand = CallsInHand()
        self.limits = limits
        self.turns = Turns()
        self._watchers = watchers

    @asynccontextmanager
    async def admit(
        self,
        caller: Caller,
        scope: Scope,
        name: str,
        *,
        door: str,
        arguments: Mapping[str, object] = _NO_ARGUMENTS,
    ) -> AsyncGenerator[Operation]:
        """Let an operation run inside.

        Raises Denied without the scope, and LimitExceeded for more than the tenant may ask.
        """
        operation = Operation(caller=caller, name=name, door=door, arguments=arguments)
        started = time.monotonic()
        async with AsyncExitStack() as watching:
            for watch in self._watchers:
                await watching.enter_async_context(watch(operation))
            try:
                require(caller, scope, name)
                with (
                    self.in_hand.one(),
                    self.limits.one(caller) if self.limits else nullcontext(),
                ):
                    yield operation
                operation.outcome = Outcome.OK
            except BaseException as error:
                operation.outcome, operation.error = _told(error)
                raise
            finally:
                operation.seconds = time.monotonic() - started
                self.turns.end(caller.tenant)

    async def note_refusal(
        self, caller: Caller, name: str, error: ServerError, *, door: str
    ) -> None:
        """Have the watchers see an operation that was refused before it came here."""
        operation = Operation(caller=caller, name=name, door=door, arguments=_NO_ARGUMENTS)
        async with AsyncExitStack() as watching:
            for watch in self._watchers:
                await watching.enter_async_context(watch(operation))
            operation.outcome, operation.error = _told(error)


def _told(error: BaseException) -> tuple[Outcome, str]:
    """How an operation ended that raised: by what lies under the SDK's own errors."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, (ServerError, ValidationError)):
        cause = cause.__cause__
    if cause is None:
        return Outcome.BROKEN, type(error).__name__
    outcome = outcome_of(cause) if isinstance(cause, ServerError) else Outcome.FAILED
    return outcome, type(cause).__name__
