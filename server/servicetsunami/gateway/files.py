"""Files in Unity Catalog volumes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import anyio

from servicetsunami.errors import RemoteNotFound
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient, paged
from servicetsunami.gateway.retry import Failure, Replay

_FILES: Final = "/api/2.0/fs/files"
_DIRECTORIES: Final = "/api/2.0/fs/directories"
_PIECE_BYTES: Final = 1 << 20
_ENTRIES_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """Something in a folder of a volume, by its whole path."""

    path: str
    is_directory: bool
    size_bytes: int


class Files:
    """The verbs of files; paths begin with /Volumes."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._client = client

    async def upload(self, path: str, source: Path, *, deadline_s: float) -> None:
        """Put a file there, whole, replacing what was there; folders are made on the way.

        What has arrived is measured afterwards: a broken upload may have left a part.
        """
        size = (await anyio.Path(source).stat()).st_size
        await self.make_directory(path.rpartition("/")[0])
        what = f"PUT {path}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}

        async def once() -> None:
            async with self._client.exchange(
                "PUT",
                _FILES + _quoted(path),
                query={"overwrite": True},
                headers=headers,
                content=lambda: _pieces(source),
            ):
                pass
            there = await self._size_once(path)
            if there != size:
                why = f"{there or 0} of {size} bytes arrived"
                raise Failure(replies.unavailable(what, why))

        await self._client.call(
            what, once, replay=Replay.SAFE, deadline_s=deadline_s, try_s=deadline_s
        )

    async def size(self, path: str) -> int | None:
        """The size of a file in bytes; None when there is none."""
        return await self._client.call(
            f"HEAD {path}", lambda: self._size_once(path), replay=Replay.SAFE
        )

    async def _size_once(self, path: str) -> int | None:
        try:
            async with self._client.exchange("HEAD", _FILES + _quoted(path)) as response:
                return int(response.headers.get("Content-Length", 0))
        except Failure as failure:
            if isinstance(failure.error, RemoteNotFound):
                return None
            raise

    async def download(self, path: str, target: Path, *, deadline_s: float) -> None:
        """Save a file of a volume here."""

        async def once() -> None:
            async with (
                self._client.exchange("GET", _FILES + _quoted(path)) as response,
                await anyio.open_file(target, "wb") as file,
            ):
                async for part in response.aiter_bytes():
                    await file.write(part)

        await self._client.call(
            f"GET {path}", once, replay=Replay.SAFE, deadline_s=deadline_s, try_s=deadline_s
        )

    async def delete(self, path: str) -> None:
        """Remove a file; it may be gone already."""
        await self._remove(_FILES + _quoted(path))

    async def make_directory(self, path: str) -> None:
        """Make a folder and those above it; they may be there already."""
        await self._client.send("PUT", _DIRECTORIES + _quoted(path), replay=Replay.SAFE)

    async def delete_directory(self, path: str) -> None:
        """Remove an empty folder; it may be gone already."""
        await self._remove(_DIRECTORIES + _quoted(path))

    async def entries(self, path: str) -> list[FileEntry]:
        """What is in a folder; nothing when there is no such folder."""
        address = _DIRECTORIES + _quoted(path)
        try:
            found = await paged(
                self._client, address, items="contents", query={}, items_max=_ENTRIES_MAX
            )
        except RemoteNotFound:
            return []
        with replies.understood(f"the question for {path}"):
            return [
                FileEntry(
                    path=str(each["path"]),
                    is_directory=bool(each.get("is_directory")),
                    size_bytes=int(each.get("file_size") or 0),
                )
                for each in found
            ]

    async def remove_tree(self, path: str) -> None:
        """Remove a folder with all that is in it; it may be gone already.

        Raises RemoteConflict when somebody puts files in meanwhile.
        """
        for entry in await self.entries(path):
            if entry.is_directory:
                await self.remove_tree(entry.path)
            else:
                await self.delete(entry.path)
        await self.delete_directory(path)

    async def _remove(self, address: str) -> None:
        try:
            await self._client.send("DELETE", address, replay=Replay.SAFE)
        except RemoteNotFound:
            return


async def _pieces(source: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(source, "rb") as file:
        while piece := await file.read(_PIECE_BYTES):
            yield piece


def _quoted(path: str) -> str:
    return quote(path, safe="/")
