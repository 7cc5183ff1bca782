"""Reads what vector search answers: endpoints, indexes, scanned keys, found rows.

Its data plane writes keys in camelCase where the workspace writes snake_case, and cells as numbers
or as texts: both are read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from servicetsunami.gateway import replies

SCORE: Final = "score"
_SETTLED: Final = frozenset({"ONLINE", "ONLINE_NO_PENDING_UPDATE", "ONLINE_DIRECT_ACCESS"})
_USABLE: Final = frozenset({"ONLINE", "YELLOW_STATE", "RED_STATE"})
_STOPPED: Final = frozenset({"STOPPING", "STOPPED", "OFFLINE", "DELETED"})
_WHOLE: Final = frozenset({"byte", "short", "int", "integer", "long", "bigint", "tinyint"})
_BROKEN: Final = frozenset({"float", "double"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteEndpoint:
    """What holds indexes and answers for them; `kind` is STANDARD or STORAGE_OPTIMIZED."""

    name: str
    id: str
    kind: str
    state: str
    message: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether it answers; degraded ones do."""
        return self.state in _USABLE

    @property
    def is_stopped(self) -> bool:
        """Whether it will not answer until somebody starts it."""
        return self.state in _STOPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteIndex:
    """An index as the workspace has it.

    `vectors` maps columns of vectors to their dimension, and `embedded` columns of text to the
    model that the workspace embeds them and queries with. `schema` is that of a direct access
    index; the columns of others are those of `source_table`, or `synced_columns` of them.
    """

    name: str
    endpoint: str
    endpoint_id: str | None
    kind: str
    primary_key: str
    vectors: Mapping[str, int] = field(default_factory=dict)
    embedded: Mapping[str, str] = field(default_factory=dict)
    source_table: str | None = None
    synced_columns: Sequence[str] = ()
    schema: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    is_ready: bool = False
    message: str = ""
    row_count: int | None = None

    @property
    def is_searchable(self) -> bool:
        """Whether it answers. `ready` alone may stay false all through a long first sync."""
        return "ONLINE" in self.state or (not self.state and self.is_ready)

    @property
    def is_settled(self) -> bool:
        """Whether it answers, and no update runs."""
        return self.state in _SETTLED or (not self.state and self.is_ready)

    @property
    def has_failed(self) -> bool:
        """Whether it, or its last update, will not come by itself."""
        return "FAILED" in self.state


def endpoint_of(answer: Mapping[str, Any]) -> RemoteEndpoint:
    """Read an endpoint."""
    with replies.understood("the question for an endpoint"):
        status = _get(answer, "endpoint_status") or {}
        return RemoteEndpoint(
            name=str(answer["name"]),
            id=str(answer.get("id") or ""),
            kind=str(_get(answer, "endpoint_type") or "STANDARD"),
            state=str(status.get("state") or ""),
            message=str(status.get("message") or ""),
        )


def index_of(answer: Mapping[str, Any]) -> RemoteIndex:
    """Read an index; a listing leaves most of it out."""
    with replies.understood("the question for an index"):
        status = _get(answer, "status") or {}
        direct = _get(answer, "direct_access_index_spec") or {}
        synced = _get(answer, "delta_sync_index_spec") or {}
        spec = direct or synced
        rows = _get(status, "indexed_row_count")
        return RemoteIndex(
            name=str(answer["name"]),
            endpoint=str(_get(answer, "endpoint_name") or ""),
            endpoint_id=_get(answer, "endpoint_id"),
            kind=str(_get(answer, "index_type") or ""),
            primary_key=str(_get(answer, "primary_key") or ""),
            vectors={
                str(each["name"]): int(_get(each, "embedding_dimension") or 0)
                for each in _get(spec, "embedding_vector_columns") or ()
            },
            embedded={
                str(each["name"]): str(
                    _get(each, "model_endpoint_name_for_query")
                    or _get(each, "embedding_model_endpoint_name")
                    or "a model of the workspace"
                )
                for each in _get(spec, "embedding_source_columns") or ()
            },
            source_table=_get(synced, "source_table"),
            synced_columns=tuple(map(str, _get(synced, "columns_to_sync") or ())),
            schema=_schema(_get(direct, "schema_json")),
            state=str(_get(status, "detailed_state") or ""),
            is_ready=bool(status.get("ready")),
            message=str(status.get("message") or ""),
            row_count=None if rows is None else int(rows),
        )


def refused_keys(answer: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """Which of the keys were not taken: the answer to a failed write is a success of HTTP."""
    if answer.get("status") in {None, "SUCCESS"}:
        return []
    failed = _get(_get(answer, "result") or {}, "failed_primary_keys") or ()
    return [str(each) for each in failed] or list(keys)


def scanned_keys(answer: Mapping[str, Any], key: str) -> tuple[list[str], str | None]:
    """The primary keys of a scanned page, and the last one, from behind which the next begins."""
    with replies.understood("the rows of a scan"):
        found = [
            _key_text(each["value"])
            for row in answer.get("data") or ()
            for each in row["fields"]
            if each["key"] == key
        ]
        last = _get(answer, "last_primary_key")
        return found, None if last in {None, ""} else str(last)


def found_rows(answer: Mapping[str, Any], types: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """The rows of a page of hits. `types` learns the columns from the first page that has any."""
    with replies.understood("the hits of a search"):
        columns = _get(answer.get("manifest") or {}, "columns") or ()
        if columns:
            types[:] = [(str(c["name"]), str(_get(c, "type_text") or "")) for c in columns]
            # The last one is appended to those that were asked for, whatever it is called.
            types[-1] = (SCORE, "double")
        rows = _get(_get(answer, "result") or {}, "data_array") or ()
        return [
            {name: _cell(cell, kind) for (name, kind), cell in zip(types, row, strict=True)}
            for row in rows
        ]


def next_page(answer: Mapping[str, Any]) -> str:
    """The token of the next page; empty when there is none."""
    return str(_get(answer, "next_page_token") or "")


def _get(answer: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any part of an answer
    if name in answer:
        return answer[name]
    first, *rest = name.split("_")
    return answer.get(first + "".join(map(str.capitalize, rest)))


def _schema(text: str | None) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in json.loads(text or "{}").items()}


def _key_text(value: Mapping[str, Any]) -> str:
    number = _get(value, "number_value")
    if number is None:
        return str(_get(value, "string_value"))
    return str(int(number)) if float(number).is_integer() else str(number)


def _cell(cell: Any, kind: str) -> Any:  # noqa: ANN401 - as the column is
    if not isinstance(cell, str):
        return cell
    lowered = kind.lower()
    if lowered in _WHOLE:
        return int(cell)
    if lowered in _BROKEN:
        return float(cell)
    return cell.lower() == "true" if lowered == "boolean" else cell
