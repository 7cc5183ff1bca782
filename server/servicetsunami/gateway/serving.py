"""The verbs of model serving: endpoints, what they serve, and what they answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.cost import TENANT_TAG
from servicetsunami.errors import RemoteNotFound
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.retry import Replay

_ENDPOINTS: Final = "/api/2.0/serving-endpoints"
_LOG_CHARS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedEntity:
    """A version of a model that an endpoint serves, or is to serve; `message` is how it stands."""

    name: str
    entity: str
    version: str
    state: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteEndpoint:
    """An endpoint as the workspace has it. `pending` is what it is being changed to."""

    name: str
    tags: Mapping[str, str]
    is_ready: bool
    update: str
    served: Sequence[ServedEntity] = ()
    pending: Sequence[ServedEntity] = ()
    traffic: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_updating(self) -> bool:
        """Whether it is being changed now."""
        return self.update == "IN_PROGRESS"

    @property
    def has_failed(self) -> bool:
        """Whether the last change of it came to nothing."""
        return self.update in {"UPDATE_FAILED", "UPDATE_CANCELED"}


class Serving:
    """The verbs of serving endpoints."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._client = client

    async def find(self, name: str, *, deadline_s: float | None = None) -> RemoteEndpoint | None:
        """The endpoint of that name, or None."""
        try:
            answer = await self._client.send(
                "GET", _path(name), replay=Replay.SAFE, deadline_s=deadline_s
            )
        except RemoteNotFound:
            return None
        return _endpoint(answer)

    async def create(
        self, name: str, entity: Mapping[str, Any], tags: Mapping[str, str], *, permit: Permit
    ) -> None:
        """Create an endpoint that serves one model; raises RemoteConflict where there is one."""
        tags = {**tags, **({} if permit.payer is None else {TENANT_TAG: permit.payer})}
        body = {
            "name": name,
            "config": {"served_entities": [dict(entity)]},
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        await self._client.send("POST", _ENDPOINTS, body=body, replay=Replay.UNSAFE, permit=permit)

    async def change(self, name: str, entity: Mapping[str, Any], *, permit: Permit) -> None:
        """Have an endpoint serve another model; raises RemoteConflict while it is being changed."""
        body = {"served_entities": [dict(entity)]}
        await self._client.send(
            "PUT", f"{_path(name)}/config", body=body, replay=Replay.UNSAFE, permit=permit
        )

    async def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Give an endpoint these tags, beside those that it has."""
        body = {"add_tags": [{"key": key, "value": value} for key, value in tags.items()]}
        await self._client.send("PATCH", f"{_path(name)}/tags", body=body, replay=Replay.SAFE)

    async def delete(self, name: str) -> None:
        """Delete an endpoint; nothing to do where there is none."""
        try:
            await self._client.send("DELETE", _path(name), replay=Replay.SAFE)
        except RemoteNotFound:
            return

    async def build_log(self, name: str, served: str) -> str:
        """The end of what was logged while a model was made ready; empty where nothing was."""
        path = f"{_path(name)}/served-models/{quote(served, safe='')}/build-logs"
        try:
            answer = await self._client.send("GET", path, replay=Replay.SAFE)
        except RemoteNotFound:
            return ""
        return str(answer.get("logs") or "").strip()[-_LOG_CHARS_MAX:]

    async def ask(
        self, name: str, body: Mapping[str, Any], *, deadline_s: float, permit: Permit
    ) -> dict[str, Any]:
        """What a model answers. One that is slow, or away, says nothing about the workspace."""
        path = f"/serving-endpoints/{quote(name, safe='')}/invocations"
        return await self._client.call(
            f"POST {path}",
            partial(self._client.try_once, "POST", path, body=body, permit=permit),
            replay=Replay.UNSAFE,
            deadline_s=deadline_s,
            try_s=deadline_s,
            is_workspace=False,
        )


def entity_of(name: str, version: str) -> dict[str, Any]:
    """What is to be served: a version of a model, on the smallest compute, none while idle."""
    return {
        "entity_name": name,
        "entity_version": version,
        "workload_size": "Small",
        "scale_to_zero_enabled": True,
    }


def _path(name: str) -> str:
    return f"{_ENDPOINTS}/{quote(name, safe='')}"


def _endpoint(answer: Mapping[str, Any]) -> RemoteEndpoint:
    with replies.understood("the state of an endpoint"):
        state = answer.get("state") or {}
        config = answer.get("config") or {}
        routes = (config.get("traffic_config") or {}).get("routes") or ()
        return RemoteEndpoint(
            name=str(answer["name"]),
            tags={str(each["key"]): str(each.get("value")) for each in answer.get("tags") or ()},
            is_ready=state.get("ready") == "READY",
            update=str(state.get("config_update") or "NOT_UPDATING"),
            served=_served(config),
            pending=_served(answer.get("pending_config") or {}),
            traffic={
                str(each.get("served_entity_name") or each.get("served_model_name")): int(
                    each["traffic_percentage"]
                )
                for each in routes
            },
        )


def _served(config: Mapping[str, Any]) -> tuple[ServedEntity, ...]:
    return tuple(
        ServedEntity(
            name=str(each.get("name") or each.get("entity_name")),
            entity=str(each.get("entity_name") or ""),
            version=str(each.get("entity_version") or ""),
            state=str((each.get("state") or {}).get("deployment") or ""),
            message=str((each.get("state") or {}).get("deployment_state_message") or ""),
        )
        for each in config.get("served_entities") or ()
    )
