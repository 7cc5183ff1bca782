"""Decides where an index is searched, and tells of indexes that are here, there, or both."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName
from servicetsunami.domain.index import Index
from servicetsunami.domain.index_there import IndexThere, name_here, name_there
from servicetsunami.domain.remote import TableAddress
from servicetsunami.errors import NotFound, RemoteNotFound, ServerError
from servicetsunami.services.answers import (
    AssetsAnswer,
    DescribedAsset,
    RemoteAssetAnswer,
    SyncAnswer,
)
from servicetsunami.services.remote_catalog import RemoteCatalog
from servicetsunami.services.remote_vectors import RemoteVectors
from servicetsunami.services.revised_sync import check_connected
from servicetsunami.services.routing import RunOn
from servicetsunami.services.vector_search import FoundDocuments, Search
from servicetsunami.services.vectors import Vectors
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.gateway.vector_replies import RemoteIndex

_SHOWN_MAX: Final = 50
_FULL_PARTS: Final = 3
_HERE: Final = "The index is on this machine."
_NOT_HERE: Final = "The index is not on this machine."
_ASKED_THERE: Final = "You asked for Databricks."


class Searching:
    """Searches here what is here, and there what is not, or as the caller says."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        vectors: Vectors,
        remote: RemoteVectors,
        remote_catalog: RemoteCatalog,
    ) -> None:
        self._metadata = metadata
        self._vectors = vectors
        self._remote = remote
        self._remote_catalog = remote_catalog

    async def search(self, caller: Caller, search: Search, run_on: RunOn) -> FoundDocuments:
        """The documents that fit best, with where they were looked for, and why.

        Raises NotFound for an index that is nowhere, ConfigurationError for Databricks without a
        workspace, RemoteNotFound for one of ours that has not arrived there, or a RemoteError.
        """
        if run_on == "databricks":
            check_connected(caller)
        address = _address(search.index, caller)
        if run_on != "databricks" and address.catalog == caller.catalog.lower():
            name = DatasetName(schema=address.schema, table=address.table)
            located = await self._vectors.finding.locate(caller, name)
            if located is not None:
                return await self._search_here(caller, search, located[0], located)
        own = await self._own(caller, address)
        if run_on == "local" or (own is not None and run_on == "auto"):
            return await self._search_here(caller, search, own)
        if own is not None:
            return await self._search_ours_there(caller, search, own)
        found = await self._find_elsewhere(
            caller, address, search.index, is_asked=run_on == "databricks"
        )
        answer = await self._remote.search(caller, search, found, None)
        why = _ASKED_THERE if run_on == "databricks" else _NOT_HERE
        return answer.model_copy(update={"reason": why})

    async def _search_here(
        self,
        caller: Caller,
        search: Search,
        own: Index | None,
        located: tuple[Index, Dataset] | None = None,
    ) -> FoundDocuments:
        if own is not None:
            # It may have been named as it is called there.
            search = replace(search, index=str(own.name))
        answer = await self._vectors.finding.search(caller, search, located)
        freshness = _freshness(own) if own is not None and caller.has_databricks else None
        return answer.model_copy(update={"reason": _HERE, "freshness": freshness})

    async def _search_ours_there(
        self, caller: Caller, search: Search, own: Index
    ) -> FoundDocuments:
        found = await self._remote.find(caller, name_there(caller.catalog, own.name))
        if found is None or IndexThere.of(own.metadata) is None:
            raise RemoteNotFound(
                f"The index {own.name} has not reached Databricks yet.",
                "sync_status with kind index and its name shows how far it is; run_on local "
                "answers now.",
            )
        answer = await self._remote.search(caller, search, found, own)
        freshness, following = _freshness(own), answer.next
        if freshness["is_stale"]:
            following = (
                f"Databricks has version {freshness.get('version_there', 'none')} of the documents "
                f"and this machine version {own.version}: run_on local searches the newest."
            )
        return answer.model_copy(
            update={"reason": _ASKED_THERE, "freshness": freshness, "next": following}
        )

    async def _own(self, caller: Caller, address: TableAddress) -> Index | None:
        """The index here that is meant, by the name that it has here or there."""
        if address.catalog != caller.catalog.lower():
            return None
        async with self._metadata.read() as transaction:
            name = DatasetName(schema=address.schema, table=address.table)
            found = await transaction.indexes.find(caller.tenant, name)
            other = name_here(address)
            if found is None and other is not None:
                found = await transaction.indexes.find(caller.tenant, other)
        return found

    async def _find_elsewhere(
        self, caller: Caller, address: TableAddress, name: str, *, is_asked: bool = False
    ) -> "RemoteIndex":
        """The index there; raises NotFound, as for one that never was anywhere.

        Raises the RemoteError itself where Databricks was asked for by name (`is_asked`).
        """
        problem = ""
        if caller.has_databricks:
            try:
                found = await self._remote.find(caller, address)
            except ServerError as error:
                if is_asked:
                    raise
                found, problem = None, f" Databricks could not be asked: {error.what}"
            if found is not None:
                return found
        async with self._metadata.read() as transaction:
            known = await transaction.indexes.names(caller.tenant)
        if address.catalog == caller.catalog.lower():
            name = f"{address.schema}.{address.table}"
        missing = NotFound.index(name, known)
        raise NotFound(missing.what, f"{missing.next_step}{problem}")

    async def page(self, caller: Caller, *, search: str | None, cursor: str | None) -> AssetsAnswer:
        """One page of the caller's indexes, and those of their catalog that are not here."""
        page = await self._vectors.page(caller, search=search, cursor=cursor)
        if not caller.has_databricks or cursor:
            return page
        async with self._metadata.read() as transaction:
            names = await transaction.indexes.names(caller.tenant)
        listed = self._remote_catalog.known(caller)
        here = {str(name_there(caller.catalog, DatasetName.of(name))) for name in names}
        others = [
            RemoteAssetAnswer(name=index.name.partition(".")[2], kind=index.kind)
            for index in listed.indexes
            if index.name.lower() not in here and (search or "").lower() in index.name.lower()
        ]
        at = listed.indexes_at
        return page.model_copy(
            update={
                "on_databricks": others[:_SHOWN_MAX],
                "on_databricks_as_of": at.isoformat() if at else None,
                "on_databricks_error": listed.indexes_error,
            }
        )

    async def describe(self, caller: Caller, name: str) -> DescribedAsset:
        """An index with its model and documents, and how it was last seen on Databricks."""
        address = _address(name, caller)
        own = await self._own(caller, address)
        if own is None:
            return _described_there(await self._find_elsewhere(caller, address, name))
        described = await self._vectors.describe(caller, str(own.name))
        there = IndexThere.of(own.metadata)
        if there is None:
            return described.model_copy(update={"sync": _sync(own), "where": "here"})
        full_name = str(name_there(caller.catalog, own.name))
        listed = self._remote_catalog.known(caller)
        seen = next((each for each in listed.indexes if each.name == full_name), None)
        on_databricks: dict[str, Any] = {
            "name": full_name,
            "kind": there.kind.value,
            "endpoint": there.endpoint,
            "version": there.version,
            "left_out": there.left_out,
        }
        if seen is not None and listed.indexes_at is not None:
            on_databricks |= {**_state(seen), "as_of": listed.indexes_at.isoformat()}
        return described.model_copy(
            update={
                "index": {**(described.index or {}), "databricks": on_databricks},
                "sync": _sync(own),
                "where": "here" if own.synced_version is None else "here and on databricks",
            }
        )


def _address(name: str, caller: Caller) -> TableAddress:
    """The full name that is meant: of the caller's catalog, unless it says another."""
    catalog = caller.catalog.lower()
    parts = name.split(".")
    is_elsewhere = len(parts) == _FULL_PARTS and parts[0].strip("`").lower() != catalog
    if is_elsewhere and caller.has_databricks:
        return TableAddress.parse(name)
    parsed = DatasetName.parse(name, catalog=caller.catalog)
    return TableAddress(catalog=catalog, schema=parsed.schema, table=parsed.table)


def _freshness(own: Index) -> dict[str, Any]:
    """Which version of the documents is here, and which is there."""
    there = IndexThere.of(own.metadata)
    version = None if there is None else there.version
    found: dict[str, Any] = {"version_here": own.version, "is_stale": version != own.version}
    if version is not None:
        found["version_there"] = version
    if own.synced_at is not None:
        found["delivered_at"] = own.synced_at.isoformat()
    return found


def _sync(own: Index) -> SyncAnswer:
    return SyncAnswer(
        state=own.sync_state.value,
        version=own.synced_version,
        at=own.synced_at.isoformat() if own.synced_at else None,
        error=own.sync_error,
    )


def _state(index: "RemoteIndex") -> Mapping[str, Any]:
    return {
        "ready": index.is_searchable,
        "detailed_state": index.state,
        "indexed_row_count": index.row_count,
        **({"message": index.message} if index.message else {}),
    }


def _described_there(index: "RemoteIndex") -> DescribedAsset:
    """An index that is only on Databricks."""
    found: dict[str, Any] = {
        "kind": index.kind,
        "endpoint": index.endpoint,
        "primary_key": index.primary_key,
        **_state(index),
    }
    if index.embedded:
        found["model"] = next(iter(index.embedded.values()))
    if index.vectors:
        found["dimension"] = next(iter(index.vectors.values()))
    if index.source_table:
        found["source_table"] = index.source_table
    return DescribedAsset(
        kind="index",
        name=index.name.partition(".")[2],
        full_name=index.name,
        origin=f"{index.kind} index on Databricks",
        where="databricks",
        row_count=index.row_count,
        index=found,
        next="Call search_vectors with its full name.",
    )
