"""Lets a few calls begin at a time, and each tenant as often as any other."""

import asyncio
from collections import deque
from typing import Final

_AT_ONCE: Final = 2
_HELD_S: Final = 0.03


class Turns:
    """Hands out turns, a few at a time, to tenants in rotation.

    With hundreds of calls begun at once, every round of the event loop takes as long as a step of
    each of them, and whatever comes next waits for many rounds: a refusal too, or a tenant who
    calls once. Calls that wait here cost nothing meanwhile. A turn ends with its operation, or
    after 30 ms: a call that takes longer waits for something else, and holds nobody up.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._held: dict[str, deque[asyncio.TimerHandle]] = {}
        self._count = 0

    async def take(self, tenant: str) -> None:
        """Wait for a turn; returns at once where one is free."""
        if self._count < _AT_ONCE:
            self._hold(tenant)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.end(tenant)
            raise

    def end(self, tenant: str) -> None:
        """Give up the oldest turn of a tenant; nothing where it has none."""
        held = self._held.get(tenant)
        if held:
            held[0].cancel()
            self._let_go(tenant)

    def _hold(self, tenant: str) -> None:
        self._count += 1
        timer = asyncio.get_running_loop().call_later(_HELD_S, self._let_go, tenant)
        self._held.setdefault(tenant, deque()).append(timer)

    def _let_go(self, tenant: str) -> None:
        """Take back the oldest turn of the tenant, and pass it on."""
        held = self._held[tenant]
        held.popleft()
        if not held:
            del self._held[tenant]
        self._count -= 1
        self._pass_on()

    def _pass_on(self) -> None:
        """Give a turn to the tenant who has waited longest for one."""
        while self._waiting:
            tenant = next(iter(self._waiting))
            own = self._waiting.pop(tenant)
            turn = own.popleft()
            if own:
                # Behind all others.
                self._waiting[tenant] = own
            if not turn.done():
                turn.set_result(None)
                self._hold(tenant)
                return
