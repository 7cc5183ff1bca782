"""Vector indexes: filled, and searched."""

from typing import Final, Literal

from fastapi import APIRouter
from pydantic import Field

from servicetsunami.services.answers import AnyObject
from servicetsunami.services.progress import silent
from servicetsunami.services.routing import RunOn
from servicetsunami.services.vector_search import FoundDocuments, Search
from servicetsunami.services.vectors import IndexedDocuments
from servicetsunami.transport.rest.admitted import CallOf, RestCall
from servicetsunami.transport.rest.arguments import Body, Name, Whole
from servicetsunami.transport.rest.assets import Kind, does, router_of

KIND: Final = Kind(
    name="index",
    plural="indexes",
    finds=lambda services: services.searching,
    deletes=lambda services: services.vectors,
)
_INDEX: Final = does("index_documents", "index")


class Documents(Body):
    """Documents to take in, and ids of others to take out."""

    source: str | list[AnyObject] | AnyObject = Field(
        default="",
        description="Documents {text, id?, vector?, columns}, at most 1000; the path of files that "
        "this server may read; or {dataset, text, id, columns?}, followed as it changes.",
        examples=[[{"id": "1", "text": "The pump is primed by hand."}]],
    )
    delete: list[str] = Field(default=[], max_length=1000, examples=[["7"]])


class NewIndex(Documents):
    """Documents for an index, which is made if there is none of that name."""

    index: str = Field(min_length=1, max_length=200, examples=["manuals"])


class Query(Body):
    """What to look for."""

    query: str = Field(default="", max_length=20_000, examples=["prime the pump"])
    mode: Literal["hybrid", "semantic", "keyword"] = "hybrid"
    filters: str | AnyObject = Field(
        default="", description="SQL condition on columns, or {'column >=': 1}."
    )
    max_results: Whole = Field(default=10, ge=1, le=100)
    columns: list[str] | None = None
    score_threshold: float | None = None
    query_vector: list[float] = Field(default=[], max_length=10_000)
    run_on: RunOn = "auto"


def vector_search(prefix: str) -> APIRouter:
    """The routes of vector indexes below a prefix."""
    router = router_of(KIND, f"{prefix}/vector-search", "vector-search")

    @router.post("", name="create_index", openapi_extra=_INDEX)
    async def create(call: CallOf, documents: NewIndex) -> IndexedDocuments:
        """Take documents into an index, or replace those of the same id; makes it if needed."""
        return await _change(call, documents.index, documents)

    @router.put("/{name}", name="update_index", openapi_extra=_INDEX)
    async def update(call: CallOf, name: Name, documents: Documents) -> IndexedDocuments:
        """Take documents into the index of that name, and others out."""
        return await _change(call, name, documents)

    @router.post(
        "/{name}/search", name="search_index", openapi_extra=does("search_vectors", "index")
    )
    async def search(call: CallOf, name: Name, query: Query) -> FoundDocuments:
        """Find the documents of an index that fit a query best."""
        return await call.services.searching.search(call.caller, _search(name, query), query.run_on)

    return router


async def _change(call: RestCall, name: str, documents: Documents) -> IndexedDocuments:
    return await call.services.vectors.change(
        call.caller,
        name,
        documents.source,
        delete=documents.delete,
        seconds=call.patience_s,
        report=silent,
    )


def _search(name: str, query: Query) -> Search:
    return Search(
        index=name,
        query=query.query,
        vector=query.query_vector,
        mode=query.mode,
        filters=query.filters,
        columns=query.columns,
        threshold=query.score_threshold,
        count=query.max_results,
    )
