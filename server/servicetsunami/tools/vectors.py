"""The tools that index documents and search them."""

from typing import Annotated, Literal

from pydantic import Field

from servicetsunami.services.answers import AnyObject
from servicetsunami.services.routing import RunOn
from servicetsunami.services.vectors import FoundDocuments, IndexedDocuments, Search
from servicetsunami.tools.context import CallOf

IndexName = Annotated[str, Field(description="Name of the index.", max_length=200)]
Documents = Annotated[
    list[AnyObject],
    Field(description="Each {text, id?, and columns of your own to filter by}. At most 1000."),
]
Filters = Annotated[
    str | AnyObject,
    Field(description="SQL condition on columns, or {'column >=': 1, 'tag': ['a', 'b']}."),
]
SearchMode = Annotated[
    Literal["hybrid", "semantic", "keyword"], Field(description="By meaning, words, or both.")
]

SearchOn = Annotated[RunOn, Field(description="auto: here if it is here.")]


async def index_documents(call: CallOf, index: IndexName, source: Documents) -> IndexedDocuments:
    """Add texts to a vector index, or replace those of the same id; makes the index if needed.

    The documents are also a dataset of that name, for query_dataset.
    """
    return await call.services.vectors.add(call.caller, index, source)


async def search_vectors(  # noqa: PLR0917 - the order is part of the published surface
    call: CallOf,
    index: IndexName,
    query: Annotated[str, Field(description="What to look for, in plain words.")],
    mode: SearchMode = "hybrid",
    filters: Filters = "",
    max_results: Annotated[int, Field(description="1 to 100.")] = 10,
    run_on: SearchOn = "auto",
) -> FoundDocuments:
    """Find the documents of an index that fit a query best."""
    search = Search(index=index, query=query, mode=mode, filters=filters, count=max_results)
    return await call.services.searching.search(call.caller, search, run_on)
