"""Catalogs: the tenant's own, on this machine and on Databricks."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from servicetsunami.errors import NotFound
from servicetsunami.services.answers import Answer
from servicetsunami.services.catalogs import DeletedCatalog
from servicetsunami.services.resources import ResourceCount
from servicetsunami.services.sync_answers import ManagedSync
from servicetsunami.transport.rest.admitted import AdmittedRoute, CallOf, RestCall
from servicetsunami.transport.rest.arguments import Body, Name
from servicetsunami.transport.rest.assets import does
from servicetsunami.transport.rest.databricks import Steering, manage


class CatalogChange(Body):
    """What is to be said about the catalog."""

    comment: Annotated[str, Field(max_length=1000, examples=["What the shops have sold."])]


class CatalogAnswer(Answer):
    """The tenant's catalog: what it has, and which tables were last seen in it on Databricks."""

    name: str
    comment: str | None = None
    has_databricks: bool
    datasets: ResourceCount
    tables_on_databricks: list[str] | None = None
    tables_on_databricks_as_of: str | None = None
    tables_on_databricks_error: str | None = None


class CatalogsAnswer(Answer):
    """The catalogs of a tenant, of which there is one."""

    catalogs: list[CatalogAnswer]


def catalogs(prefix: str) -> APIRouter:
    """The routes of catalogs below a prefix."""
    router = APIRouter(prefix=f"{prefix}/catalogs", tags=["catalogs"], route_class=AdmittedRoute)

    @router.get("", name="list_catalogs", openapi_extra=does("list_catalogs"))
    async def list_all(call: CallOf) -> CatalogsAnswer:
        """List the catalogs of the tenant."""
        return CatalogsAnswer(catalogs=[await _catalog(call)])

    @router.post("", name="create_catalog", openapi_extra=does("manage_sync"))
    async def create(call: CallOf, response: Response) -> ManagedSync:
        """Create the tenant's catalog on Databricks, then send what waits."""
        return await manage(call, Steering(action="initialise"), response)

    @router.get("/{name}", name="get_catalog", openapi_extra=does("describe_catalog"))
    async def get(call: CallOf, name: Name) -> CatalogAnswer:
        """Describe the tenant's catalog."""
        _check_own(call, name)
        return await _catalog(call)

    @router.put("/{name}", name="update_catalog", openapi_extra=does("update_catalog"))
    async def update(call: CallOf, name: Name, change: CatalogChange) -> CatalogAnswer:
        """Say what the tenant's catalog is for; creating it again says so on Databricks too."""
        _check_own(call, name)
        await call.services.catalogs.describe(call.caller, change.comment)
        return await _catalog(call)

    @router.delete("/{name}", name="delete_catalog", openapi_extra=does("delete_catalog"))
    async def delete(call: CallOf, name: Name) -> DeletedCatalog:
        """Forget the tenant's catalog where it is empty; the one on Databricks stays."""
        _check_own(call, name)
        return await call.services.catalogs.delete(call.caller)

    return router


def _check_own(call: RestCall, name: str) -> None:
    if name.lower() != call.caller.catalog.lower():
        raise NotFound(f"No catalog is named {name!r}.", f"Yours is named {call.caller.catalog}.")


async def _catalog(call: RestCall) -> CatalogAnswer:
    caller = call.caller
    counted = await call.services.resources.of(caller)
    seen = call.services.remote_catalog.known(caller) if caller.has_databricks else None
    return CatalogAnswer(
        name=caller.catalog,
        comment=await call.services.catalogs.comment(caller),
        has_databricks=caller.has_databricks,
        datasets=counted.resources.datasets,
        tables_on_databricks=None
        if seen is None
        else [f"{each.address.schema}.{each.address.table}" for each in seen.tables],
        tables_on_databricks_as_of=seen.at.isoformat() if seen and seen.at else None,
        tables_on_databricks_error=seen.error if seen else None,
    )
