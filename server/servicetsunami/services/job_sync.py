"""Does what callers decide about the way of jobs to Databricks."""

from collections.abc import Callable

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import InvalidInput
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.revised_sync import RevisedSync
from servicetsunami.services.sync_answers import Action, ManagedSync
from servicetsunami.stores.metadata import Metadata


class JobSync:
    """Steers; the outbox carries."""

    def __init__(
        self, *, metadata: Metadata, connection: Connection, wake: Callable[[], None]
    ) -> None:
        self._steering = RevisedSync(
            metadata=metadata, connection=connection, kind="job", wake=wake
        )

    async def manage(self, caller: Caller, action: Action, name: str | None) -> ManagedSync:
        """Do one of the actions for jobs; all but pull, since a job is changed here."""
        return await self._steering.manage(caller, action, name, pull=_refuse)


async def _refuse(caller: Caller, name: str | None) -> ManagedSync:
    del caller
    raise InvalidInput(
        f"Jobs are not pulled{f': {name} is defined here' if name else ''}.",
        "Save what you want to keep of it with create_job; action retry sends it.",
    )
