"""Does what callers decide about the way of indexes to Databricks."""

from collections.abc import Callable

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import InvalidInput
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.revised_sync import RevisedSync
from servicetsunami.services.sync_answers import Action, ManagedSync
from servicetsunami.stores.metadata import Metadata


class IndexSync:
    """Steers; the outbox carries."""

    def __init__(
        self, *, metadata: Metadata, connection: Connection, wake: Callable[[], None]
    ) -> None:
        self._steering = RevisedSync(
            metadata=metadata, connection=connection, kind="index", wake=wake
        )

    async def manage(self, caller: Caller, action: Action, name: str | None) -> ManagedSync:
        """Do one of the actions for indexes; all but pull: what is pulled are their documents."""
        return await self._steering.manage(caller, action, name, pull=_refuse)


async def _refuse(caller: Caller, name: str | None) -> ManagedSync:
    del caller
    raise InvalidInput(
        f"Indexes are not pulled{f': {name} is made here' if name else ''}.",
        "Pull the dataset of that name; or search the index there, by its full name.",
    )
