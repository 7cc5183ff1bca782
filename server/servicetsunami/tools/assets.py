"""The tools that find, describe and delete what a tenant owns."""

from typing import Annotated

from mcp.server.mcpserver import Context, Elicit, Resolve
from pydantic import BaseModel, Field

from servicetsunami.services.answers import (
    AssetKindName,
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
)
from servicetsunami.tools.context import CallOf

Kind = Annotated[AssetKindName, Field(description="What kind of asset.")]
Search = Annotated[str, Field(description="Part of the name, in any case.", max_length=200)]
Cursor = Annotated[str, Field(description="From a truncated answer: the next page.")]
AssetName = Annotated[
    str,
    Field(
        description="schema.table; of a notebook folder/name.",
        max_length=1000,
    ),
]


class Confirmation(BaseModel):
    """What a person is asked before something is deleted."""

    confirm: str = Field(description="The exact name of what is to be deleted.")


async def list_assets(
    call: CallOf,
    kind: Kind = "dataset",
    search: Search | None = None,
    cursor: Cursor | None = None,
) -> AssetsAnswer:
    """List what there is to work with: names, sizes, columns. Start here.

    Use `search` to narrow by name; describe_asset tells more about one of them.
    """
    if kind == "notebook":
        return await call.services.notebooks.page(call.caller, search=search, cursor=cursor)
    if kind == "index":
        return await call.services.searching.page(call.caller, search=search, cursor=cursor)
    if kind == "endpoint":
        return await call.services.models.page(call.caller, search=search, cursor=cursor)
    if kind == "job":
        return await call.services.jobs.page(call.caller, search=search, cursor=cursor)
    return await call.services.datasets.page(call.caller, search=search, cursor=cursor)


async def describe_asset(
    call: CallOf,
    *,
    kind: Kind = "dataset",
    name: AssetName,
) -> DescribedAsset:
    """Describe one asset before you use it.

    For a dataset: columns with types, nulls, minimum and maximum; five sample rows in the order
    of the columns; versions for time travel; size; how far it is synced. For a notebook: its
    text, cells and revisions. For a job: its definition, next fire times and last runs.
    """
    if kind == "notebook":
        return await call.services.notebooks.describe(call.caller, name)
    if kind == "index":
        return await call.services.searching.describe(call.caller, name)
    if kind == "endpoint":
        return await call.services.models.describe(call.caller, name)
    if kind == "job":
        return await call.services.jobs.describe(call.caller, name)
    return await call.services.datasets.describe(call.caller, name)


async def _confirmation(
    ctx: Context, name: str, confirm: str | None
) -> Confirmation | Elicit[Confirmation]:
    """Ask the person at the client where that is possible; else the argument has to do."""
    capabilities = ctx.client_capabilities
    if confirm is None and capabilities is not None and capabilities.elicitation is not None:
        return Elicit(
            f"Delete {name} with all its versions? Type its name to confirm.", Confirmation
        )
    return Confirmation(confirm=confirm or "")


async def delete_asset(
    call: CallOf,
    confirmation: Annotated[Confirmation, Resolve(_confirmation)],
    *,
    kind: Kind = "dataset",
    name: AssetName,
    confirm: Annotated[
        str | None, Field(description="The exact name again, as confirmation by the user.")
    ] = None,
) -> DeletedAsset:
    """Delete one asset with all its versions, here and, once synced, on Databricks.

    This cannot be undone. `confirm` must repeat the name: ask the user first.
    """
    confirmed = confirmation.confirm or confirm or ""
    if kind == "notebook":
        return await call.services.notebooks.delete(call.caller, name, confirm=confirmed)
    if kind == "index":
        return await call.services.vectors.delete(call.caller, name, confirm=confirmed)
    if kind == "endpoint":
        return await call.services.models.delete(call.caller, name, confirm=confirmed)
    if kind == "job":
        return await call.services.jobs.delete(call.caller, name, confirm=confirmed)
    return await call.services.datasets.delete(call.caller, name, confirm=confirmed)
