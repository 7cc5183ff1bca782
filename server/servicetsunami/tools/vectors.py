"""The tools that index documents and search them."""

from typing import Annotated, Literal

from pydantic import Field

from servicetsunami.services.answers import AnyObject
from servicetsunami.services.routing import RunOn
from servicetsunami.services.vector_search import FoundDocuments, Search
from servicetsunami.services.vectors import IndexedDocuments
from servicetsunami.tools.context import CallOf

IndexName = Annotated[str, Field(description="Name of the index.", max_length=200)]
Source = Annotated[
    str | list[AnyObject] | AnyObject,
    Field(
        description="Documents {text, id?, vector?, columns to filter by}, at most 1000; path of "
        "a txt, md, html or pdf file or of a folder; or {dataset, text, id, columns?}: columns of "
        "a dataset, followed as it changes."
    ),
]
Filters = Annotated[
    str | AnyObject,
    Field(description="SQL condition on columns, or {'column >=': 1, 'tag': ['a', 'b']}."),
]
SearchMode = Annotated[
    Literal["hybrid", "semantic", "keyword"], Field(description="By meaning, words, or both.")
]


async def index_documents(
    call: CallOf,
    index: IndexName,
    source: Source = "",
    delete: Annotated[list[str], Field(description="Ids of documents to remove.")] = [],  # noqa: B006
) -> IndexedDocuments:
    """Add documents to a vector index, or replace those of the same id; makes the index if needed.

    Long ones are cut into passages. They are also a dataset of that name, for query_dataset.
    """
    return await call.services.vectors.change(
        call.caller, index, source, delete=delete, seconds=call.patience_s, report=call.report
    )


async def search_vectors(  # noqa: PLR0917 - the order is part of the published surface
    call: CallOf,
    index: IndexName,
    query: Annotated[str, Field(description="What to look for, in plain words.")] = "",
    mode: SearchMode = "hybrid",
    filters: Filters = "",
    max_results: Annotated[int, Field(description="1 to 100.")] = 10,
    columns: Annotated[list[str] | None, Field(description="Columns to show.")] = None,
    score_threshold: Annotated[float | None, Field(description="Lowest score.")] = None,
    query_vector: Annotated[
        list[float], Field(description="For an index of your own vectors.")
    ] = [],  # noqa: B006
    run_on: Annotated[RunOn, Field(description="auto: here if it is here.")] = "auto",
) -> FoundDocuments:
    """Find the documents of an index that fit a query best."""
    search = Search(
        index=index,
        query=query,
        vector=query_vector,
        mode=mode,
        filters=filters,
        columns=columns,
        threshold=score_threshold,
        count=max_results,
    )
    return await call.services.searching.search(call.caller, search, run_on)
