"""Asks indexes on Databricks: ours, and others of the catalogs that a caller may read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.index import FINGERPRINT, OWN_VECTORS, TEXT, Index
from servicetsunami.domain.index_there import MODEL_PROPERTY, IndexThere
from servicetsunami.domain.remote import TableAddress
from servicetsunami.errors import ConfigurationError, InvalidInput, RemoteConflict, TimedOut
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.budgets import Budgets
from servicetsunami.services.documents import checked_vector
from servicetsunami.services.embeddings import Embeddings
from servicetsunami.services.search_hits import around, left_out, room_for, within_budget
from servicetsunami.services.usage import UsageMeter
from servicetsunami.services.vector_filters import condition
from servicetsunami.services.vector_search import FoundDocuments, Mode, Search, check_search

if TYPE_CHECKING:
    from servicetsunami.gateway.vectors import QueryType, RemoteIndex, VectorQuestion
    from servicetsunami.gateway.workspace import Workspace

_TYPES: "Final[Mapping[str, QueryType]]" = {
    "semantic": "ANN",
    "hybrid": "HYBRID",
    "keyword": "FULL_TEXT",
}
_SCORES: Final[Mapping[Mode, str]] = {
    "semantic": "1 / (1 + squared distance), as Databricks has it",
    "keyword": "BM25, as Databricks has it",
    "hybrid": "reciprocal rank fusion, as Databricks has it",
}
_LOOK_S: Final = 5.0
_SEARCH_S: Final = 20.0
_NOTHING: Final = "Nothing fits: use other words, mode semantic, or no filters."
_STANDARD: Final = "STANDARD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """An index there as a question needs it: what to ask for, and which model made its vectors."""

    index: "RemoteIndex"
    columns: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None

    @property
    def text_column(self) -> str | None:
        """The column that holds the text of a document, as far as that can be told."""
        names = [TEXT, *self.index.embedded]
        return next((name for name in names if name in self.columns), None)


class RemoteVectors:
    """Looks at indexes there and questions them; `embeddings` makes the vectors of queries."""

    def __init__(
        self,
        *,
        connection: Connection,
        embeddings: Embeddings,
        budgets: Budgets,
        usage: UsageMeter,
    ) -> None:
        self._connection = connection
        self._budgets = budgets
        self._embeddings = embeddings
        self._usage = usage

    async def find(self, caller: Caller, address: TableAddress) -> "RemoteIndex | None":
        """The index of that name, if there is one and the caller may read its catalog."""
        if not caller.may_read(address.catalog):
            return None
        workspace = await self._connection.workspace()
        return await workspace.vectors.find(str(address), deadline_s=_LOOK_S)

    async def search(
        self, caller: Caller, search: Search, found: "RemoteIndex", own: Index | None
    ) -> FoundDocuments:
        """The documents that fit best there.

        Raises InvalidInput for what the index cannot be asked, RemoteConflict where it does not
        answer yet, BudgetUsedUp when the budget is used up, or another RemoteError.
        """
        with self._usage.measure(caller, "search_vectors") as tally:
            check_search(search)
            permit = await self._budgets.admit_there(caller.tenant)
            if not found.is_searchable:
                raise RemoteConflict(
                    f"The index {found.name} is {found.state or 'not ready'} on Databricks.",
                    "Ask again in a moment, or with run_on local where it is here.",
                )
            with anyio.move_on_after(_SEARCH_S) as scope:
                workspace = await self._connection.workspace()
                surveyed = await _survey(workspace, found, own)
                question = await self._question(caller, workspace, search, surveyed)
                rows = await workspace.vectors.query(found, question, permit=permit)
            if scope.cancelled_caught:
                raise TimedOut(
                    f"Databricks did not answer the search within {_SEARCH_S:g} s.",
                    "Ask again, for fewer results; or with run_on local where the index is here.",
                )
            rows = [row for row in rows if _reaches(row, search.threshold)]
            room = room_for(len(rows))
            shown = within_budget([_hit(row, surveyed, search, room) for row in rows])
            tally.rows = len(shown)
        there = IndexThere.of(own.metadata) if own is not None else None
        return FoundDocuments(
            index=found.name,
            version=there.version if there is not None else None,
            model=surveyed.model or "not known",
            score=_SCORES[search.mode],
            hits=shown,
            truncated=len(shown) < len(rows),
            ran_on="databricks",
            next=left_out(shown, rows) if rows else _NOTHING,
        )

    async def _question(
        self, caller: Caller, workspace: "Workspace", search: Search, surveyed: Surveyed
    ) -> "VectorQuestion":
        from servicetsunami.gateway.vectors import VectorQuestion  # noqa: PLC0415 - lazy

        index = surveyed.index
        vector = None
        if index.vectors and search.mode != "keyword":
            vector = await self._vector(caller, search, surveyed)
        needs_text = search.mode != "semantic" or not index.vectors
        return VectorQuestion(
            columns=list(surveyed.columns),
            count=search.count,
            query_type=_TYPES[search.mode],
            text=search.query if needs_text else None,
            vector=vector,
            **await _filters(workspace, search.filters, index.endpoint),
        )

    async def _vector(self, caller: Caller, search: Search, surveyed: Surveyed) -> list[float]:
        """The query as a vector, by the model that made those of the index."""
        name = surveyed.index.name
        if surveyed.model == OWN_VECTORS:
            [length] = surveyed.index.vectors.values()
            return checked_vector(list(search.vector), "The query", length)
        if search.vector:
            raise InvalidInput(
                f"A `query_vector` was given, and {name} has a model of its own.",
                "Give `query` alone.",
            )
        try:
            model = await self._embeddings.named(surveyed.model or "")
        except ConfigurationError as error:
            raise InvalidInput(
                f"The vectors of {name} were made by "
                f"{surveyed.model or 'a model that is not known here'}, so a query cannot be "
                "embedded as they were.",
                "Use mode keyword, which compares words.",
            ) from error
        return (await self._embeddings.embed(caller, model, [search.query]))[0].tolist()


async def _survey(workspace: "Workspace", found: "RemoteIndex", own: Index | None) -> Surveyed:
    """What the index has, from its own specification or from the table that it follows."""
    columns, properties = dict(found.schema), dict[str, str]()
    if found.source_table:
        table = await workspace.catalogs.get_table(TableAddress.parse(found.source_table))
        if table is not None:
            columns = {column.name: column.type for column in table.columns}
            properties = dict(table.properties)
    if found.synced_columns:
        columns = {name: columns.get(name, "") for name in found.synced_columns}
    if not columns and own is not None:
        columns = dict.fromkeys([found.primary_key, TEXT], "string")
    model = next(iter(found.embedded.values()), None) or properties.get(MODEL_PROPERTY)
    asked = dict.fromkeys([found.primary_key, *found.embedded], "") | columns
    return Surveyed(
        index=found,
        columns={name: kind for name, kind in asked.items() if name not in found.vectors},
        model=own.model if own is not None else model,
    )


async def _filters(
    workspace: "Workspace", filters: str | Mapping[str, JsonValue], endpoint: str
) -> dict[str, str]:
    """The filters in the one form that the endpoint takes; they are never turned over."""
    if not filters:
        return {}
    found = await workspace.vectors.find_endpoint(endpoint)
    is_standard = found is None or found.kind == _STANDARD
    if isinstance(filters, str):
        if is_standard:
            raise InvalidInput(
                f"The endpoint {endpoint} does not take filters in SQL.",
                "Give them as an object, such as {'n >=': 3, 'tag': ['a', 'b']}; or use run_on "
                "local where the index is here.",
            )
        return {"filter_string": filters}
    condition(filters)
    if not is_standard:
        raise InvalidInput(
            f"The endpoint {endpoint} takes filters in SQL only, for its storage is optimised.",
            "Give them as text, such as n >= 3 AND tag IN ('a', 'b').",
        )
    return {"filters_json": json.dumps(dict(filters))}


def _reaches(row: Mapping[str, Any], threshold: float | None) -> bool:
    return threshold is None or float(row["score"]) >= threshold


def _hit(
    row: Mapping[str, Any], surveyed: Surveyed, search: Search, room: int
) -> dict[str, JsonValue]:
    """A document that was found, with its columns; a long text is cut."""
    key, column = surveyed.index.primary_key, surveyed.text_column
    text, score = str(row.get(column or "") or ""), round(float(row["score"]), 4)
    others = {
        name: value
        for name, value in row.items()
        if name not in {key, column, "score", FINGERPRINT}
        and value is not None
        and (search.columns is None or name in search.columns)
    }
    found: dict[str, JsonValue] = {
        "id": row.get(key),
        "score": score,
        "scores": {search.mode: score},
        "text": around(text, 0, room),
    }
    if len(text) > room:
        found["text_chars"] = len(text)
    return {**found, "columns": others} if others else found
