"""Progress of long work, at most once in a while, and only when there is something to wait for."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

Report: TypeAlias = Callable[[float, float | None, str], Awaitable[None]]
"""Tells the caller: how much is done, of how much if that is known, and a few words."""


async def silent(_done: float, _total: float | None, _text: str) -> None:
    """Take progress that nobody asked for."""


QUIET_S = 2.0
EVERY_S = 1.0


class Progress:
    """Passes progress on once the work has lasted two seconds, and then once a second."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._next_at = time.monotonic() + QUIET_S

    async def pass_on(self, done: Mapping[str, Any]) -> None:
        """Take what a child says: `percent`, or `rows` with a `fraction` where that is known."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + EVERY_S
        rows, fraction = done.get("rows"), done.get("fraction")
        percent = fraction * 100 if fraction else done.get("percent")
        text = "working" if rows is None else f"{rows:,} rows"
        if percent is None:
            await self._report(float(rows or 0), None, text)
        else:
            await self._report(percent, 100.0, text)
