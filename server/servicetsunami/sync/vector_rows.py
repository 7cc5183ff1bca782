"""Brings the rows of a direct access index to what they are here, and keeps at what is refused."""

from collections.abc import AsyncGenerator, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from anyio import to_thread

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.index import ID
from servicetsunami.errors import RemoteConflict
from servicetsunami.sync.worker import Lease

if TYPE_CHECKING:
    from servicetsunami.engines.vectors.rows import Changes
    from servicetsunami.gateway.vectors import Vectors

REFUSED: Final = "refused_keys"
"""In an item's progress: the only rows that are still to be put, where it is few."""
_REFUSED_KEPT: Final = 1_000
_SHOWN: Final = 5
_KEYS: Final = 100
_URL_CHARS: Final = 4_000


async def put_rows(
    vectors: "Vectors",
    name: str,
    changes: "Changes",
    lease: Lease,
    *,
    version: int,
    is_whole: bool,
    permit: Permit,
) -> None:
    """Take out what is not here, and put the documents; may be repeated at any point.

    Raises RemoteConflict that names the rows that were not taken: the next try sends only those.
    """
    only, kept, refused = _refused_before(lease, version), set[str](), set[str]()
    if only is None:
        async for keys in _gone(vectors, name, changes, is_whole=is_whole, permit=permit):
            for some in _in_urls(keys):
                await lease.confirm()
                kept.update(await vectors.remove(name, some))
    batches = changes.batches(only)
    while batch := await to_thread.run_sync(partial(next, batches, list[dict[str, Any]]())):
        await lease.confirm()
        refused.update(await vectors.upsert(name, batch, ID, permit=permit))
    if refused or kept:
        is_short = not kept and len(refused) <= _REFUSED_KEPT
        left = {"version": version, "keys": sorted(refused)} if is_short else None
        await lease.note({**lease.progress, REFUSED: left})
        raise _not_taken(name, refused | kept)
    await lease.note({**lease.progress, REFUSED: None})


def _not_taken(name: str, keys: Collection[str]) -> RemoteConflict:
    shown = ", ".join(sorted(keys)[:_SHOWN])
    return RemoteConflict(
        f"The index {name} did not take {len(keys)} rows, such as {shown}.",
        "Look at these documents; manage_sync with kind index and action retry sends them again.",
        "ROWS_REFUSED",
    )


def _refused_before(lease: Lease, version: int) -> Collection[str] | None:
    """The only rows that an earlier try has left to do; None where all are to be done."""
    noted: Any = lease.progress.get(REFUSED)
    return set(noted["keys"]) if noted and noted["version"] == version else None


async def _gone(
    vectors: "Vectors", name: str, changes: "Changes", *, is_whole: bool, permit: Permit
) -> AsyncGenerator[Sequence[str]]:
    """The keys there that are not here. What was put a moment ago no scan may see yet."""
    yield changes.removed
    if is_whole:
        async for keys in vectors.keys(name, ID, permit=permit):
            yield [key for key in keys if key not in changes.ids]


def _in_urls(keys: Sequence[str]) -> list[list[str]]:
    """The keys in groups that fit into a URL."""
    groups, length = list[list[str]](), 0
    for key in keys:
        size = len(quote(key)) + len("&primary_keys=")
        if not groups or len(groups[-1]) >= _KEYS or length + size > _URL_CHARS:
            groups.append([])
            length = 0
        groups[-1].append(key)
        length += size
    return groups
