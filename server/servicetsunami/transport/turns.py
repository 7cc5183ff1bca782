"""Lets calls begin one after the other, and each tenant as often as any other."""

import asyncio
from collections import deque


class Turns:
    """Hands out one turn in each round of the event loop, to tenants in rotation.

    With hundreds of calls begun at once, every round of the loop takes as long as a step of each of
    them, and whatever comes next waits for many rounds: a refusal too, or a tenant who calls once.
    Calls that wait here cost nothing meanwhile. One that has begun holds nobody up, however long it
    runs: only beginnings are in turn.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._is_taken = False

    async def take(self, tenant: str) -> None:
        """Wait for a turn; returns at once where nobody else wants one."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._pass_on)
            return
        turn = loop.create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        await turn

    def _pass_on(self) -> None:
        """Give the next round's turn to the tenant who has waited longest for one."""
        while self._waiting:
            tenant = next(iter(self._waiting))
            own = self._waiting.pop(tenant)
            turn = own.popleft()
            if own:
                # Behind all others.
                self._waiting[tenant] = own
            if not turn.done():
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._pass_on)
                return
        self._is_taken = False
