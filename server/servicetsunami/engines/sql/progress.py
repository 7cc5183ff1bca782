"""Tells how far a running statement is, at no cost to the statements that are over at once."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Condition, Thread
from typing import TYPE_CHECKING

from servicetsunami.engines.workers.serving import Request

if TYPE_CHECKING:
    import duckdb

_AFTER_S = 1.0
_EVERY_S = 0.5


class ProgressTicker:
    """One parked thread for all statements of a child: starting one each would cost a millisecond.

    The thread sleeps until a statement runs, looks twice a second while statements follow each
    other, and parks again when it finds none.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._thread: Thread | None = None
        self._parked = False
        self._running: tuple[duckdb.DuckDBPyConnection, Request, float] | None = None

    @contextmanager
    def watch(self, connection: "duckdb.DuckDBPyConnection", request: Request) -> Generator[None]:
        """Report the progress of what runs inside, from its second second on, if it is wanted."""
        if not request.arguments["progress"]:
            yield
            return
        with self._changed:
            self._running = (connection, request, time.monotonic())
            if self._thread is None:
                self._thread = Thread(target=self._tick, daemon=True)
                self._thread.start()
            elif self._parked:
                self._changed.notify()
        try:
            yield
        finally:
            # Under the lock, so that no report can follow the answer.
            with self._changed:
                self._running = None

    def _tick(self) -> None:
        with self._changed:
            while True:
                self._parked = self._running is None
                self._changed.wait(None if self._parked else _EVERY_S)
                if self._running is not None:
                    connection, request, since = self._running
                    if time.monotonic() - since >= _AFTER_S:
                        request.report({"percent": max(0.0, connection.query_progress())})
