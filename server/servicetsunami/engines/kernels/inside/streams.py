"""What code prints, bounded where it is printed: a loop cannot flood the server."""

import threading
from collections import deque
from typing import Any

from ipykernel.iostream import OutStream

_PENDING_CHARS = 2**18
_TAIL_CHARS = 2**14


class BoundedStream(OutStream):
    """Sends the beginning of what a cell prints, and at its end the end.

    Both what Python prints and what is written to the file descriptors come through here.
    """

    chars_max = 2**24
    """For one cell and one stream; the same for all streams of a kernel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base
        super().__init__(*args, **kwargs)
        self._counting = threading.Lock()
        self._sent = 0
        self._pending = 0
        self._left_out = 0
        self._tail: deque[str] = deque()
        self._tail_chars = 0

    def write(self, string: str) -> int | None:
        """Print, as far as there is room; the rest is counted, and its end kept."""
        if not isinstance(string, str):
            return super().write(string)
        with self._counting:
            room = max(0, self.chars_max - self._sent)
            shown, rest = string[:room], string[room:]
            self._sent += len(shown)
            self._pending += len(shown)
            is_due = self._pending > _PENDING_CHARS
            if is_due:
                self._pending = 0
            if rest:
                self._leave_out(rest)
        if shown:
            super().write(shown)
        if is_due:
            # Many messages of some size, rather than one that nobody could take.
            self.flush()
        return len(string)

    def _leave_out(self, text: str) -> None:
        self._left_out += len(text)
        self._tail.append(text[-_TAIL_CHARS:])
        self._tail_chars += len(self._tail[-1])
        while self._tail_chars - len(self._tail[0]) >= _TAIL_CHARS:
            self._tail_chars -= len(self._tail.popleft())

    def end_cell(self) -> None:
        """Send the end of what was left out, and begin to count anew."""
        with self._counting:
            tail, left_out = "".join(self._tail)[-_TAIL_CHARS:], self._left_out
            self._sent = self._pending = self._left_out = self._tail_chars = 0
            self._tail.clear()
        if left_out:
            hidden = left_out - len(tail)
            super().write(f"\n... {hidden} characters are left out here ...\n{tail}")
        self.flush()
