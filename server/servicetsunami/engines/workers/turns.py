"""Keeps one tenant from taking every place: so many at once for each, and the rest waits."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio


class Turns:
    """At most `each_max` at once for each name, in order of arrival; 0 for no limit."""

    def __init__(self, each_max: int) -> None:
        self._each_max = each_max
        self._places: dict[str, anyio.Semaphore] = {}
        self._users = Counter[str]()

    @asynccontextmanager
    async def one(self, name: str | None) -> AsyncGenerator[None]:
        """Wait for a place of this name, and hold it; nobody waits who has no name."""
        if not self._each_max or name is None:
            yield
            return
        place = self._places.setdefault(name, anyio.Semaphore(self._each_max))
        self._users[name] += 1
        try:
            async with place:
                yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._places[name]
