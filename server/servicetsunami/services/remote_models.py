"""Asks models that Databricks serves, ours and others of the workspace; tells how they stand."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.endpoint import CatalogModel, Endpoint, name_there
from servicetsunami.errors import (
    Conflict,
    Denied,
    InvalidInput,
    RemoteError,
    RemoteNotFound,
    RemoteRefused,
    RemoteUnavailable,
)
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.budgets import Budgets
from servicetsunami.services.revised_sync import check_connected
from servicetsunami.services.usage import Tally

_ASK_S: Final = 24.0
_LOOK_S: Final = 3.0
_BODY_CHARS_MAX: Final = 4_000_000
_FORMATS: Final = frozenset(
    {"dataframe_split", "dataframe_records", "instances", "inputs", "messages", "prompt", "input"}
)
_ALL: Final = "*"


class RemoteModels:
    """Speaks to the endpoints of the workspace.

    `shared` are those that may be asked beside a tenant's own, at the operator's cost; `*` stands
    for all.
    """

    def __init__(self, connection: Connection, *, budgets: Budgets, shared: frozenset[str]) -> None:
        self._connection = connection
        self._budgets = budgets
        self._shared = shared

    async def check(self, caller: Caller, name: str, source: str) -> None:
        """Refuse what cannot become an endpoint there, before anything is written down.

        Raises BudgetUsedUp when the budget is used up: what serves there costs.
        """
        check_connected(caller)
        model = CatalogModel.parse(source)
        if not caller.may_read(model.catalog):
            raise Denied(
                f"The catalog {model.catalog!r} is not open to you.",
                "Take a model of your own catalog, or have DATABRICKS_READABLE_CATALOGS set.",
            )
        name_there(caller.catalog, name)
        await self._budgets.admit_there(caller.tenant)

    async def ask(
        self, caller: Caller, endpoint: Endpoint, given: Mapping[str, JsonValue], tally: Tally
    ) -> dict[str, Any]:
        """What one of our endpoints answers; raises Conflict while it has never been ready."""
        if endpoint.serving is None:
            raise Conflict(
                f"{endpoint.name} does not serve on Databricks yet: it is "
                f"{endpoint.sync_state.value}. {endpoint.sync_error or ''}".strip(),
                "Call describe_asset with kind endpoint in a minute, then again.",
            )
        return await self._asked(caller, name_there(caller.catalog, endpoint.name), given, tally)

    async def ask_other(
        self, caller: Caller, name: str, given: Mapping[str, JsonValue], tally: Tally
    ) -> dict[str, Any]:
        """What an endpoint of the workspace answers that this server did not make.

        Raises Denied for one that the operator has not opened to tenants.
        """
        if self._shared.isdisjoint({_ALL, name.lower()}):
            open_ones = ", ".join(sorted(self._shared))
            or_one = f"or one of {open_ones}, " if open_ones else ""
            raise Denied(
                f"The endpoint {name!r} of the workspace is not open to you.",
                f"Ask one of yours, {or_one}or have it named in DATABRICKS_SHARED_ENDPOINTS.",
            )
        return await self._asked(caller, name, given, tally)

    async def look(self, caller: Caller, endpoint: Endpoint) -> dict[str, Any]:
        """How one of our endpoints stands there now; what kept us from knowing, if anything."""
        name = name_there(caller.catalog, endpoint.name)
        try:
            workspace = await self._connection.workspace()
            found = await workspace.serving.find(name, deadline_s=_LOOK_S)
        except RemoteError as error:
            return {"name": name, "error": error.what}
        if found is None:
            return {"name": name, "state": "NOT_THERE"}
        return {
            "name": name,
            "state": "READY" if found.is_ready else "NOT_READY",
            "config_update": found.update,
            "traffic": dict(found.traffic),
            "served": [f"{each.entity} version {each.version}" for each in found.served],
            "pending": [f"{each.entity} version {each.version}" for each in found.pending],
        }

    async def _asked(
        self, caller: Caller, name: str, given: Mapping[str, JsonValue], tally: Tally
    ) -> dict[str, Any]:
        check_connected(caller)
        _check(given)
        permit = await self._budgets.admit_there(caller.tenant)
        workspace = await self._connection.workspace()
        try:
            answer = await workspace.serving.ask(name, given, deadline_s=_ASK_S, permit=permit)
        except RemoteError as error:
            raise _explained(name, error) from error
        tally.tokens = _tokens(answer)
        predictions = answer.get("predictions")
        if not isinstance(predictions, list):
            return {"reply": answer}
        tally.rows = len(predictions)
        return {"predictions": predictions, "rows": len(predictions)}


def _check(given: Mapping[str, JsonValue]) -> None:
    kinds = _FORMATS.intersection(given)
    if len(kinds) != 1:
        raise InvalidInput(
            f"The input has {', '.join(sorted(given)) or 'nothing'}.",
            f"Give one of {', '.join(sorted(_FORMATS))}. A dataset is scored on Databricks by "
            "ai_query in the SQL task of a job.",
        )
    if given.get("stream"):
        raise InvalidInput("An answer cannot be streamed here.", "Leave `stream` out.")
    if len(str(given)) > _BODY_CHARS_MAX:
        raise InvalidInput(
            "The input is too long for one call.", "Give fewer rows, or shorter messages."
        )


def _tokens(answer: Mapping[str, Any]) -> int:
    usage = answer.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if isinstance(total, int) else 0


def _explained(name: str, error: RemoteError) -> RemoteError:
    """Say what the workspace's words mean for a model."""
    if isinstance(error, RemoteNotFound):
        return RemoteNotFound(
            f"The workspace has no endpoint {name}, or you may not see it.",
            "Check the name; list_assets with kind endpoint shows yours.",
            error.code,
        )
    if error.code in {"REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}:
        return RemoteUnavailable(error.what, "It has too much to do: call again later.", error.code)
    if isinstance(error, RemoteUnavailable):
        return RemoteUnavailable(
            f"{name} did not answer in time. {error.what}",
            "One that was idle has to start first, which takes a minute or more: call again then.",
            error.code,
        )
    if isinstance(error, RemoteRefused):
        return RemoteRefused(
            error.what, "Check the input against the model's signature.", error.code
        )
    return error
