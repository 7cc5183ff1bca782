"""Forks the workers of one server, replaces those that die, and ends them all."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Final

from servicetsunami.app import hosting
from servicetsunami.settings import Settings

if TYPE_CHECKING:
    from servicetsunami.transport.steering import Seat

_log = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_SOON_S: Final = 5.0
_SOON_MAX: Final = 3
"""So many workers in a row that end so soon after they began: the next would, too."""
_TOLD: Final = 2
"""The exit code where the settings are to blame, which the worker has told of."""


def serve_workers(settings: Settings, work: "Callable[[Seat], int]") -> int:
    """Have `work` done in each of the seats at the address, until a signal comes; the exit code.

    Forks, so no thread and no event loop may run yet. A worker ends by SystemExit with the code
    that `work` gives. Raises ConfigurationError like `serve_http`.
    """
    hosting.check_hosting(settings)
    from servicetsunami.transport.steering import take_seats  # noqa: PLC0415 - the web stack is heavy

    seats = take_seats(settings.http_host, settings.http_port, count=settings.http_workers)
    return _Crew(work).run(seats)


class _Crew:
    """The workers that there are, by process id, each with its seat and when it began."""

    def __init__(self, work: "Callable[[Seat], int]") -> None:
        self._work = work
        self._workers: dict[int, tuple[Seat, float]] = {}
        self._is_stopping = False
        self._ended_soon = 0
        self._code = 0

    def run(self, seats: "Sequence[Seat]") -> int:
        """Begin all, and look after them until the last has ended."""
        with self._signals_passed_on():
            for seat in seats:
                self._begin(seat)
            while self._workers:
                number, status = os.wait()
                # The first process of a container inherits what dead workers leave behind.
                if number in self._workers:
                    seat, since = self._workers.pop(number)
                    self._ended(seat, os.waitstatus_to_exitcode(status), since)
        return self._code

    def _begin(self, seat: "Seat") -> None:
        """Fork a worker, unless a signal has come."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            if self._is_stopping:
                return
            number = os.fork()
            if number:
                self._workers[number] = seat, time.monotonic()
                return
            # A terminal would signal it too, beside the one who passes signals on.
            os.setpgid(0, 0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        sys.exit(self._work(seat))

    def _ended(self, seat: "Seat", code: int, since: float) -> None:
        """Begin another in the seat, unless all are to end."""
        if self._is_stopping:
            # One that was still beginning had no order to keep.
            self._code = self._code or (0 if code == -signal.SIGTERM else abs(code))
            return
        self._ended_soon = self._ended_soon + 1 if time.monotonic() < since + _SOON_S else 0
        if self._ended_soon < _SOON_MAX and code != _TOLD:
            _log.warning("worker %d ended with %d; another begins", seat.number + 1, code)
            self._begin(seat)
        else:
            _log.error("worker %d ended with %d, as another would", seat.number + 1, code)
            self._code = abs(code) or 1
            self._stop(signal.SIGTERM)

    def _stop(self, number: int, frame: FrameType | None = None) -> None:
        """Pass a signal on."""
        del frame
        self._is_stopping = True
        for worker in list(self._workers):
            with suppress(ProcessLookupError):
                os.kill(worker, number)

    @contextmanager
    def _signals_passed_on(self) -> Generator[None]:
        before = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
