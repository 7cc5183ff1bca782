"""Does what callers decide about the way of model endpoints to Databricks."""

from collections.abc import Callable

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.endpoint import Place
from servicetsunami.errors import InvalidInput
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.revised_sync import RevisedSync
from servicetsunami.services.sync_answers import Action, ManagedSync
from servicetsunami.stores.metadata import Metadata


class EndpointSync:
    """Steers; the outbox carries."""

    def __init__(
        self, *, metadata: Metadata, connection: Connection, wake: Callable[[], None]
    ) -> None:
        self._metadata = metadata
        self._steering = RevisedSync(
            metadata=metadata, connection=connection, kind="endpoint", wake=wake
        )

    async def manage(self, caller: Caller, action: Action, name: str | None) -> ManagedSync:
        """Do one of the actions for endpoints that are on Databricks; all but pull."""
        if name is not None and action in {"on", "off"}:
            async with self._metadata.read() as transaction:
                endpoint = await transaction.endpoints.get(caller.tenant, name)
            if endpoint.place is Place.LOCAL:
                raise InvalidInput(
                    f"{name} is served on this machine, and is not sent.",
                    "Register the model in Unity Catalog, and deploy it from there.",
                )
        return await self._steering.manage(caller, action, name, pull=_refuse)


async def _refuse(caller: Caller, name: str | None) -> ManagedSync:
    del caller
    raise InvalidInput(
        f"Endpoints are not pulled{f': {name} is defined here' if name else ''}.",
        "invoke_model asks those of the workspace as databricks:name.",
    )
