"""Keeps the garbage collector from stopping a busy server: its pauses are everybody's."""

import gc
from typing import Final

_THRESHOLDS: Final = (10_000, 20, 50)
"""New objects before the youngest are looked at, and how often that before the older ones are."""


def begin_collecting() -> None:
    """Look for garbage from now on, where a start has not, and not in what it has made."""
    gc.freeze()
    gc.enable()


def spare_collector() -> None:
    """Leave out what stays for ever, and look at the rest less often.

    What libraries have brought is a million objects that are never garbage. With many sessions
    each full collection went through them again, for more than a second of every three.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
