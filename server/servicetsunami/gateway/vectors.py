"""Vector search of a workspace: endpoints, indexes, their rows, and questions to them.

Databricks calls it AI Search now; these paths (API /api/2.0/vector-search) stay valid.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from servicetsunami.domain.budget import Permit
from servicetsunami.errors import (
    RemoteConflict,
    RemoteError,
    RemoteNotFound,
    RemoteRefused,
    RemoteUnavailable,
)
from servicetsunami.gateway.client import WorkspaceClient, paged
from servicetsunami.gateway.retry import Replay
from servicetsunami.gateway.vector_replies import (
    RemoteEndpoint,
    RemoteIndex,
    endpoint_of,
    found_rows,
    index_of,
    next_page,
    refused_keys,
    scanned_keys,
)

_BASE: Final = "/api/2.0/vector-search"
_ENDPOINTS: Final = f"{_BASE}/endpoints"
_INDEXES: Final = f"{_BASE}/indexes"
_SCAN_ROWS: Final = 1_000
PENDING_DELETION: Final = "PENDING_DELETION"
NOT_READY: Final = "NOT_READY"
NO_CHANGE_FEED: Final = "NO_CHANGE_FEED"
_PASSING: Final[Mapping[str, str]] = {
    "pending deletion": PENDING_DELETION,
    "not ready to sync": NOT_READY,
    "change data feed": NO_CHANGE_FEED,
}
"""What Databricks calls a bad request, though it is over in a while, by words of its message."""
_ITEMS_MAX: Final = 1_000

QueryType = Literal["ANN", "HYBRID", "FULL_TEXT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorQuestion:
    """What is looked for. `filters_json` is for standard endpoints, `filter_string` for others."""

    columns: Sequence[str]
    count: int
    query_type: QueryType
    text: str | None = None
    vector: Sequence[float] | None = None
    filters_json: str | None = None
    filter_string: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """As the API wants it; what is not given is left out."""
        given = {
            "columns": list(self.columns),
            "num_results": self.count,
            "query_type": self.query_type,
            "query_text": self.text,
            "query_vector": None if self.vector is None else list(self.vector),
            "filters_json": self.filters_json,
            "filter_string": self.filter_string,
        }
        return {name: value for name, value in given.items() if value is not None}


class Vectors:
    """The verbs of vector search. What is to go may be gone."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._client = client

    async def find_endpoint(self, name: str) -> RemoteEndpoint | None:
        """The endpoint of that name, or None."""
        found = await self._get(f"{_ENDPOINTS}/{quote(name, safe='')}")
        return None if found is None else endpoint_of(found)

    async def create_endpoint(self, name: str, kind: str, *, permit: Permit) -> None:
        """Have an endpoint made, unless there is one; it takes minutes to come."""
        body = {"name": name, "endpoint_type": kind}
        try:
            await self._client.send(
                "POST", _ENDPOINTS, body=body, replay=Replay.UNSAFE, permit=permit
            )
        except RemoteConflict as error:
            if not error.code.endswith("ALREADY_EXISTS"):
                raise
        except RemoteUnavailable:
            # The answer may be lost and the work done.
            if await self.find_endpoint(name) is None:
                raise

    async def endpoints(self) -> list[RemoteEndpoint]:
        """All endpoints that we may see."""
        found = await paged(
            self._client, _ENDPOINTS, items="endpoints", query={}, items_max=_ITEMS_MAX
        )
        return [endpoint_of(each) for each in found]

    async def find(self, name: str, *, deadline_s: float | None = None) -> RemoteIndex | None:
        """The index of that full name, or None."""
        found = await self._get(_path(name), deadline_s=deadline_s)
        return None if found is None else index_of(found)

    async def indexes(self, endpoint: str) -> list[RemoteIndex]:
        """The indexes of an endpoint, without their specifications and states."""
        found = await paged(
            self._client,
            _INDEXES,
            items="vector_indexes",
            query={"endpoint_name": endpoint},
            items_max=_ITEMS_MAX,
        )
        return [index_of(each) for each in found]

    async def create(self, spec: Mapping[str, Any], *, permit: Permit) -> None:
        """Have an index made; it takes a while to come.

        Raises RemoteConflict: with the code PENDING_DELETION while one of that name is still being
        deleted, NO_CHANGE_FEED while its table keeps none, or where there is one already.
        """
        try:
            await self._client.send(
                "POST", _INDEXES, body=spec, replay=Replay.UNSAFE, permit=permit
            )
        except RemoteRefused as error:
            raise _passing(error) from error
        except RemoteUnavailable:
            # The answer may be lost and the work done.
            if await self.find(str(spec["name"])) is None:
                raise

    async def delete(self, name: str) -> None:
        """Delete an index; its name is free again only some time after it cannot be seen."""
        try:
            await self._client.send("DELETE", _path(name), replay=Replay.SAFE)
        except RemoteNotFound:
            return

    async def upsert(
        self, name: str, rows: Sequence[Mapping[str, Any]], key: str, *, permit: Permit
    ) -> list[str]:
        """Put rows into a direct access index; the keys of those that were not taken."""
        body = {"inputs_json": json.dumps(list(rows), ensure_ascii=False)}
        answer = await self._client.send(
            "POST", f"{_path(name)}/upsert-data", body=body, replay=Replay.SAFE, permit=permit
        )
        return refused_keys(answer, [str(row[key]) for row in rows])

    async def remove(self, name: str, keys: Sequence[str]) -> list[str]:
        """Take rows out of a direct access index; the keys of those that are still there.

        The keys stand in the URL: give few at a time.
        """
        answer = await self._client.send(
            "DELETE",
            f"{_path(name)}/delete-data",
            query={"primary_keys": list(keys)},
            replay=Replay.SAFE,
        )
        return refused_keys(answer, keys)

    async def sync(self, name: str, *, permit: Permit) -> None:
        """Have an index read its table again.

        Raises RemoteConflict with the code NOT_READY while an update runs, or NO_CHANGE_FEED.
        """
        try:
            await self._client.send(
                "POST", f"{_path(name)}/sync", body={}, replay=Replay.SAFE, permit=permit
            )
        except RemoteRefused as error:
            raise _passing(error) from error

    async def keys(self, name: str, key: str, *, permit: Permit) -> AsyncGenerator[list[str]]:
        """The primary keys of all rows of an index, page by page."""
        last: str | None = None
        while True:
            body = {"num_results": _SCAN_ROWS, **({"last_primary_key": last} if last else {})}
            answer = await self._client.send(
                "POST", f"{_path(name)}/scan", body=body, replay=Replay.SAFE, permit=permit
            )
            found, following = scanned_keys(answer, key)
            if found:
                yield found
            if not found or following is None or following == last:
                return
            last = following

    async def query(
        self, index: RemoteIndex, question: VectorQuestion, *, permit: Permit
    ) -> list[dict[str, Any]]:
        """The rows that fit best, at most as many as asked for, with their `score`."""
        path, types = _path(index.name), list[tuple[str, str]]()
        answer = await self._client.send(
            "POST",
            f"{path}/query",
            body=question.body,
            replay=Replay.SAFE,
            permit=permit,
        )
        rows, seen = found_rows(answer, types), {""}
        while len(rows) < question.count and (token := next_page(answer)) not in seen:
            seen.add(token)
            body = {"page_token": token, "endpoint_name": index.endpoint}
            answer = await self._client.send(
                "POST",
                f"{path}/query-next-page",
                body=body,
                replay=Replay.SAFE,
                permit=permit,
            )
            rows += found_rows(answer, types)
        return rows[: question.count]

    async def _get(self, path: str, *, deadline_s: float | None = None) -> dict[str, Any] | None:
        try:
            return await self._client.send("GET", path, replay=Replay.SAFE, deadline_s=deadline_s)
        except RemoteNotFound:
            return None


def _path(name: str) -> str:
    return f"{_INDEXES}/{quote(name, safe='')}"


def _passing(error: RemoteRefused) -> RemoteError:
    """What was refused only for now, as such; anything else as it is."""
    lowered = error.what.lower()
    code = next((code for words, code in _PASSING.items() if words in lowered), None)
    return error if code is None else RemoteConflict(error.what, "It is tried again.", code)
