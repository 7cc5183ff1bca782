"""SQL warehouses: the one that was configured, or the one that is up already."""

from typing import Any, Final

from servicetsunami.errors import ConfigurationError, RemoteError
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.retry import Replay

_PATH: Final = "/api/2.0/sql/warehouses"
_ORDER: Final = {"RUNNING": 0, "STARTING": 1, "STOPPED": 2, "STOPPING": 3}
_CHOOSE_S: Final = 4.0
_SIZE_S: Final = 0.7
"""A statement that follows has 4 s: who asks an absent workspace is told within 5."""


class Warehouses:
    """Chooses the warehouse of this server, once."""

    def __init__(self, client: WorkspaceClient, configured_id: str) -> None:
        self._client = client
        self._id = configured_id
        self._sizes: dict[str, str] = {}

    async def choose(self) -> str:
        """The configured one, else a running one, else one that can be started.

        Raises ConfigurationError when there is none to be seen.
        """
        if not self._id:
            answer = await self._client.send("GET", _PATH, replay=Replay.SAFE, deadline_s=_CHOOSE_S)
            usable = [
                each for each in answer.get("warehouses") or [] if each.get("state") in _ORDER
            ]
            if not usable:
                raise ConfigurationError(
                    "The workspace has no SQL warehouse that these credentials may use.",
                    "Create one or have 'Can use' granted, or set DATABRICKS_WAREHOUSE_ID.",
                )
            with replies.understood("the question for warehouses"):
                self._id = str(min(usable, key=_rank)["id"])
        return self._id

    async def size(self, warehouse_id: str) -> str:
        """Its size, such as `Small`, asked for once; empty where it cannot be seen."""
        if warehouse_id not in self._sizes:
            try:
                answer = await self._client.send(
                    "GET", f"{_PATH}/{warehouse_id}", replay=Replay.SAFE, deadline_s=_SIZE_S
                )
            except RemoteError:
                return ""
            self._sizes[warehouse_id] = str(answer.get("cluster_size") or "")
        return self._sizes[warehouse_id]

    async def state(self, warehouse_id: str, *, deadline_s: float) -> str:
        """Its state, such as RUNNING or STOPPED; a stopped one starts with its first statement."""
        answer = await self._client.send(
            "GET", f"{_PATH}/{warehouse_id}", replay=Replay.SAFE, deadline_s=deadline_s
        )
        return str(answer.get("state", "UNKNOWN"))


def _rank(warehouse: dict[str, Any]) -> tuple[int, bool, str]:
    serverless = bool(warehouse.get("enable_serverless_compute"))
    return _ORDER[warehouse["state"]], not serverless, str(warehouse.get("name", ""))
