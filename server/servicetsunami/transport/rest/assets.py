"""What is the same for every kind of asset: list, get, delete, and batches of the latter two."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, Protocol

from fastapi import APIRouter
from pydantic import Field

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import Denied, ServerError, TimedOut
from servicetsunami.services.answers import (
    Answer,
    AnyObject,
    AssetKindName,
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
)
from servicetsunami.transport.problems import describe
from servicetsunami.transport.rest.admitted import (
    KIND,
    OPERATION,
    AdmittedRoute,
    CallOf,
    RestCall,
)
from servicetsunami.transport.rest.arguments import Body, Cursor, Name, Search

if TYPE_CHECKING:
    from servicetsunami.tools.context import Services

_BATCH_MAX: Final = 100


class _Finds(Protocol):
    async def page(
        self, caller: Caller, *, search: str | None, cursor: str | None
    ) -> AssetsAnswer: ...

    async def describe(self, caller: Caller, name: str) -> DescribedAsset: ...


class _Deletes(Protocol):
    async def delete(self, caller: Caller, name: str, *, confirm: str) -> DeletedAsset: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of asset, and the services that find and delete it."""

    name: AssetKindName
    finds: Callable[["Services"], _Finds]
    deletes: Callable[["Services"], _Deletes]
    plural: str = ""

    @property
    def several(self) -> str:
        """The word for more than one."""
        return self.plural or f"{self.name}s"


class Names(Body):
    """Which assets a batch is about."""

    names: list[Annotated[str, Field(min_length=1, max_length=1000)]] = Field(
        min_length=1, max_length=_BATCH_MAX, examples=[["sales", "staff.people"]]
    )


class Outcome(Answer):
    """What came of one item: its `result`, or the `problem` with its own status."""

    name: str
    status: int
    result: AnyObject | None = None
    problem: AnyObject | None = None


class Outcomes(Answer):
    """What came of each item, in the order of the names."""

    items: list[Outcome]
    failed: int


def router_of(kind: Kind, prefix: str, tag: str) -> APIRouter:
    """A router for a noun, with what all kinds of assets have."""
    router = APIRouter(prefix=prefix, tags=[tag], route_class=AdmittedRoute)
    _add_lists(router, kind)
    _add_batches(router, kind)
    return router


def does(operation: str, kind: AssetKindName | None = None) -> dict[str, str]:
    """What `openapi_extra` of a route says about it."""
    return {OPERATION: operation} | ({KIND: kind} if kind else {})


def _add_lists(router: APIRouter, kind: Kind) -> None:
    @router.get("", name=f"list_{kind.several}", openapi_extra=does("list_assets", kind.name))
    async def list_all(
        call: CallOf, search: Search | None = None, cursor: Cursor | None = None
    ) -> AssetsAnswer:
        """List what there is, in the order of the names; `cursor` brings the next page."""
        return await kind.finds(call.services).page(call.caller, search=search, cursor=cursor)

    @router.get("/{name}", name=f"get_{kind.name}", openapi_extra=does("describe_asset", kind.name))
    async def get(call: CallOf, name: Name) -> DescribedAsset:
        """Describe one: what it holds, its versions, and how far it is on its way to Databricks."""
        return await kind.finds(call.services).describe(call.caller, name)

    @router.delete(
        "/{name}", name=f"delete_{kind.name}", openapi_extra=does("delete_asset", kind.name)
    )
    async def delete(call: CallOf, name: Name) -> DeletedAsset:
        """Delete one with all its versions, here and on Databricks. This cannot be undone."""
        return await _delete(kind, call, name)


async def _delete(kind: Kind, call: RestCall, name: str) -> DeletedAsset:
    # The address names one thing exactly; the question that a model is asked would add nothing.
    return await kind.deletes(call.services).delete(call.caller, name, confirm=name)


async def _describe(kind: Kind, call: RestCall, name: str) -> DescribedAsset:
    return await kind.finds(call.services).describe(call.caller, name)


def _add_batches(router: APIRouter, kind: Kind) -> None:
    @router.post("/batch/get", name=f"get_{kind.several}", openapi_extra=_batch("describe_asset"))
    async def get_several(call: CallOf, names: Names) -> Outcomes:
        """Describe several; each item has an outcome of its own."""
        return await _each(call, "describe_asset", kind, names, partial(_describe, kind, call))

    @router.post(
        "/batch/delete", name=f"delete_{kind.several}", openapi_extra=_batch("delete_asset")
    )
    async def delete_several(call: CallOf, names: Names) -> Outcomes:
        """Delete several; each item has an outcome of its own. This cannot be undone."""
        return await _each(call, "delete_asset", kind, names, partial(_delete, kind, call))


def _batch(operation: str) -> dict[str, str]:
    return {"x-operation-of-each": operation}


async def _each(
    call: RestCall,
    operation: str,
    kind: Kind,
    names: Names,
    do: Callable[[str], Awaitable[Answer]],
) -> Outcomes:
    """Do it to one after the other, each an operation of its own, as long as the call may take."""
    ends_at = time.monotonic() + call.patience_s
    items = []
    for name in names.names:
        try:
            async with call.admit(operation, {"kind": kind.name, "name": name}):
                if time.monotonic() > ends_at:
                    raise TimedOut("The time of this call was used up.", "Ask again for this one.")
                result = (await do(name)).model_dump(mode="json")
            items.append(Outcome(name=name, status=200, result=result))
        except Denied:
            # The credential lacks the scope, which is so for all of them.
            raise
        except ServerError as error:
            problem = describe(error)
            told = problem.model_dump(exclude_none=True)
            items.append(Outcome(name=name, status=problem.status, problem=told))
    return Outcomes(items=items, failed=sum(item.problem is not None for item in items))
