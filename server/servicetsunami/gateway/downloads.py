"""Fetches chunks of a result from the object store that Databricks keeps them in.

The link is a credential by itself: it goes out without ours, and never into a log or a message.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import httpx

from servicetsunami.errors import RemoteRefused
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.retry import Failure, Replay
from servicetsunami.gateway.statements import PATH, Statement

_DEADLINE_S: Final = 300.0
_TRY_S: Final = 120.0
_WHAT: Final = "the download of a chunk"


class Downloads:
    """Saves chunks of `arrow` results; `http` carries no credentials of ours."""

    def __init__(self, client: WorkspaceClient, http: httpx.AsyncClient) -> None:
        self._client = client
        self._http = http

    async def save(self, statement: Statement, index: int, path: Path) -> int:
        """Save one chunk, a whole Arrow stream, as a file; its number of rows.

        A link that has expired or a download that broke off is begun anew with a fresh link.
        """
        known = statement.first if index == 0 else {}
        links: list[Mapping[str, Any]] = list(known.get("external_links") or [])

        async def once() -> int:
            # The first answer came with a link; every further try asks for a fresh one.
            link = links.pop() if links else await self._link(statement.id, index)
            with replies.understood(_WHAT):
                rows = int(link.get("row_count") or 0)
                headers = {str(k): str(v) for k, v in (link.get("http_headers") or {}).items()}
            await self._fetch(str(link.get("external_link")), headers, path)
            return rows

        return await self._client.call(
            _WHAT,
            once,
            replay=Replay.SAFE,
            deadline_s=_DEADLINE_S,
            try_s=_TRY_S,
            is_workspace=False,
        )

    async def _link(self, statement_id: str, index: int) -> Mapping[str, Any]:
        path = f"{PATH}/{statement_id}/result/chunks/{index}"
        chunk = await self._client.try_once("GET", path)
        links = chunk.get("external_links") or []
        if not links:
            raise Failure(
                RemoteRefused("Databricks gave no link for a chunk.", "Pull the table again.")
            )
        return links[0]

    async def _fetch(self, url: str, headers: Mapping[str, str], path: Path) -> None:
        try:
            async with self._http.stream("GET", url, headers=headers) as response:
                if not response.is_success:
                    # Expired or not yet there: a fresh link helps, or the tries run out.
                    why = f"the object store answered {response.status_code}"
                    raise Failure(replies.unavailable(_WHAT, why), status=response.status_code)
                async with await anyio.open_file(path, "wb") as file:
                    async for part in response.aiter_bytes():
                        await file.write(part)
        except httpx.HTTPError as error:
            raise Failure(replies.unavailable(_WHAT, type(error).__name__)) from None
