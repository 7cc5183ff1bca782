"""Tells whether what clients watch has changed since they last heard of it."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from servicetsunami.domain.dataset import DatasetName
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.watched import Watched
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction


class Watching:
    """Looks at what is watched, for one tenant at a time."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def when_changed(self, then: Callable[[str], None]) -> None:
        """Have something done after each change that this process makes; takes whose it may be."""
        self._metadata.when_committed(then)

    async def first(self, tenant: str, watched: Watched) -> str:
        """The mark from which on changes count.

        Raises NotFound, as reading it does, for what the tenant does not have.
        """
        async with self._metadata.read() as transaction:
            await _find(transaction, tenant, watched)
            return (await _marks(transaction, tenant, [watched])).get(watched, "")

    async def marks(self, tenant: str, watched: Collection[Watched]) -> dict[Watched, str]:
        """The marks of all that are there; at most five queries, however many are asked for."""
        async with self._metadata.read() as transaction:
            return await _marks(transaction, tenant, watched)


async def _find(transaction: "Transaction", tenant: str, watched: Watched) -> None:
    if watched.kind == "datasets":
        await transaction.datasets.get(tenant, DatasetName.of(watched.name))
    elif watched.kind == "notebooks":
        await transaction.notebooks.get(tenant, NotebookName(watched.name))
    else:
        await transaction.runs.get(tenant, watched.name)


async def _marks(
    transaction: "Transaction", tenant: str, watched: Collection[Watched]
) -> dict[Watched, str]:
    found: dict[Watched, str] = {}
    marks = transaction.marks
    for kind, look in (
        ("datasets", marks.datasets),
        ("notebooks", marks.notebooks),
        ("runs", marks.runs),
    ):
        names = {each.name for each in watched if each.kind == kind}
        if names:
            of_kind = await look(tenant, names)
            found |= {
                each: of_kind[each.name]
                for each in watched
                if each.kind == kind and each.name in of_kind
            }
    return found
