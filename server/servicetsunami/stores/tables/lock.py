"""One writer per table: a lock that the server and its child hold together."""

from pathlib import Path

from servicetsunami.stores.locks import FileLock
from servicetsunami.stores.tables.location import lock_file


def lock(location: Path, *, timeout_s: float) -> FileLock:
    """Become the table's only writer; blocks, so call it in a thread.

    Hold it as a context manager, from before the metadata is read until after it is committed, and
    pass `fileno()` to the child that writes. Raises Conflict when another writer holds it for
    longer than `timeout_s`.
    """
    return FileLock.acquire(lock_file(location), timeout_s=timeout_s)
