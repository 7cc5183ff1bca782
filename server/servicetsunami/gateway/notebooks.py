"""Notebooks in a workspace: imported, exported, listed, deleted (API /api/2.0/workspace)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from servicetsunami.errors import RemoteNotFound
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.health import ME
from servicetsunami.gateway.retry import Replay

_PATH: Final = "/api/2.0/workspace"
_FOLDERS_MAX: Final = 200
_FORMATS: Final = {"source": "SOURCE", "jupyter": "JUPYTER"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteObject:
    """Something in the workspace's tree, by its whole path; `kind` as Databricks names it."""

    path: str
    kind: str
    language: str | None
    modified_at_ms: int

    @property
    def is_notebook(self) -> bool:
        """Whether it is a notebook, rather than a file or a folder."""
        return self.kind == "NOTEBOOK"


class Notebooks:
    """The verbs of notebooks; paths begin with /Users, /Shared or /Workspace."""

    def __init__(self, client: WorkspaceClient, root: str) -> None:
        self._client = client
        self._root = root
        self._home = ""

    async def folder(self, tenant: str) -> str:
        """The folder of a tenant's notebooks; `~` in the root is the home of these credentials."""
        if self._root.startswith("~") and not self._home:
            me = await self._client.send("GET", ME, replay=Replay.SAFE)
            with replies.understood("the question who we are"):
                self._home = f"/Users/{me['userName']}"
        return f"{self._root.replace('~', self._home, 1)}/{tenant}"

    async def look(self, path: str) -> RemoteObject | None:
        """What is at a path, or None."""
        try:
            answer = await self._client.send(
                "GET", f"{_PATH}/get-status", query={"path": path}, replay=Replay.SAFE
            )
        except RemoteNotFound:
            return None
        return _object(answer)

    async def list(self, folder: str) -> "tuple[RemoteObject, ...]":
        """All notebooks below a folder; none where there is no such folder."""
        found: list[RemoteObject] = []
        waiting = [folder]
        for _ in range(_FOLDERS_MAX):
            if not waiting:
                break
            try:
                answer = await self._client.send(
                    "GET", f"{_PATH}/list", query={"path": waiting.pop()}, replay=Replay.SAFE
                )
            except RemoteNotFound:
                continue
            objects = [_object(each) for each in answer.get("objects") or []]
            waiting += [each.path for each in objects if each.kind == "DIRECTORY"]
            found += [each for each in objects if each.is_notebook]
        return tuple(found)

    async def export(self, path: str, form: str) -> str | None:
        """The text of a notebook, in the format `source` or `jupyter`; None where there is none."""
        try:
            answer = await self._client.send(
                "GET",
                f"{_PATH}/export",
                query={"path": path, "format": _FORMATS[form]},
                replay=Replay.SAFE,
            )
        except RemoteNotFound:
            return None
        with replies.understood(f"the text of {path}"):
            try:
                return base64.b64decode(answer["content"]).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                raise KeyError("content") from error

    async def put(self, path: str, content: str, form: str, language: str) -> None:
        """Write a notebook, replacing one that is there; folders are made on the way."""
        await self._import(path, content, format=_FORMATS[form], language=language.upper())

    async def put_file(self, path: str, content: str) -> None:
        """Write a plain file, replacing one that is there; folders are made on the way."""
        await self._import(path, content, format="RAW")

    async def _import(self, path: str, content: str, **how: str) -> None:
        folder = path.rpartition("/")[0]
        await self._client.send(
            "POST", f"{_PATH}/mkdirs", body={"path": folder}, replay=Replay.SAFE
        )
        body = {
            "path": path,
            **how,
            "content": base64.b64encode(content.encode()).decode(),
            "overwrite": True,
        }
        await self._client.send("POST", f"{_PATH}/import", body=body, replay=Replay.SAFE)

    async def delete(self, path: str, *, is_folder: bool = False) -> None:
        """Delete a notebook, or a folder with all in it; nothing to do where there is none."""
        try:
            await self._client.send(
                "POST",
                f"{_PATH}/delete",
                body={"path": path, "recursive": is_folder},
                replay=Replay.SAFE,
            )
        except RemoteNotFound:
            return


def _object(answer: Mapping[str, Any]) -> RemoteObject:
    with replies.understood("an object of the workspace"):
        return RemoteObject(
            path=str(answer["path"]),
            kind=str(answer["object_type"]),
            language=answer.get("language"),
            modified_at_ms=int(answer.get("modified_at") or 0),
        )
