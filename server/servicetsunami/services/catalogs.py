"""Owns what is said of a tenant's catalog, which is there for as long as the tenant is."""

from datetime import UTC, datetime

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import Conflict
from servicetsunami.services.answers import Answer
from servicetsunami.stores.metadata import Metadata


class DeletedCatalog(Answer):
    """What became of a catalog, and what is left of it elsewhere."""

    name: str
    done: str
    next: str


class Catalogs:
    """Describes the caller's own catalog; nobody else's can be named here."""

    def __init__(self, *, metadata: Metadata) -> None:
        self._metadata = metadata

    async def comment(self, caller: Caller) -> str | None:
        """What an administrator has said about the catalog; None where nobody has."""
        async with self._metadata.read() as transaction:
            return await transaction.tenants.catalog_comment(caller.tenant)

    async def describe(self, caller: Caller, comment: str) -> None:
        """Keep a comment; it reaches Databricks whenever the catalog is set up there."""
        async with self._metadata.begin() as transaction:
            await transaction.tenants.ensure(caller.tenant, at=datetime.now(UTC))
            await transaction.tenants.describe_catalog(caller.tenant, comment)

    async def delete(self, caller: Caller) -> DeletedCatalog:
        """Forget what was said of an empty catalog; raises Conflict for one with anything in it.

        There is no more to it: an empty catalog is the name under which the tenant's next dataset
        stands. The one on Databricks stays, since others may keep there what is not ours to drop.
        """
        async with self._metadata.begin() as transaction:
            tenant = caller.tenant
            counts = {
                "datasets": await transaction.datasets.totals(tenant),
                "endpoints": await transaction.endpoints.totals(tenant),
            }
            held = {name: sum(each.count for each in found) for name, found in counts.items()}
            if caller.has_databricks:
                depth = await transaction.outbox.depth(tenant)
                held["changes on their way to Databricks"] = depth.items + depth.parked
            if any(held.values()):
                listed = ", ".join(f"{count} {name}" for name, count in held.items() if count)
                raise Conflict(
                    f"The catalog {caller.catalog} is not empty: it has {listed}.",
                    "Delete them one by one first; changes that are held up can be dropped.",
                )
            await transaction.tenants.describe_catalog(tenant, None)
        there = " On Databricks it stays: an administrator may drop it there."
        return DeletedCatalog(
            name=caller.catalog,
            done=f"Nothing is kept of the catalog {caller.catalog} here.",
            next="The next dataset begins it anew." + (there if caller.has_databricks else ""),
        )
