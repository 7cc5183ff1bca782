"""Workspace objects: folders, notebooks and files; imported, exported, listed, deleted."""

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from servicetsunami.domain.notebook_cells import parse, to_jupyter, to_source
from tests.fakes.databricks.errors import ApiError, invalid
from tests.fakes.databricks.state import State

PATH = "/api/2.0/workspace"
CONTENT_BYTES_MAX = 10 * 2**20
_HEADERS = {b"# Databricks notebook source": "PYTHON", b"-- Databricks notebook source": "SQL"}
_EXTENSIONS = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R", ".ipynb": "PYTHON"}


@dataclass
class WorkspaceObject:
    kind: str
    language: str | None = None
    content: bytes = b""
    object_id: int = 0
    modified_at: float = field(default_factory=time.time)


class Objects:
    def __init__(self) -> None:
        self.all: dict[str, WorkspaceObject] = {}
        for path in ("/", "/Shared", "/Users", "/Users/agent@example.com"):
            self.add(path, WorkspaceObject("DIRECTORY"))

    def add(self, path: str, found: WorkspaceObject) -> None:
        found.object_id = found.object_id or 9_007_199_254_740_993 + len(self.all)
        self.all[path] = found

    def get(self, path: str) -> tuple[str, WorkspaceObject]:
        plain = "/" + path.removeprefix("/Workspace").strip("/")
        if plain not in self.all:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        return plain, self.all[plain]

    def below(self, path: str) -> list[str]:
        prefix = path.rstrip("/") + "/"
        return [each for each in self.all if each.startswith(prefix) and each != path]

    def mkdirs(self, path: str) -> None:
        parts = [part for part in path.removeprefix("/Workspace").split("/") if part]
        for at in range(1, len(parts) + 1):
            part = "/" + "/".join(parts[:at])
            if part not in self.all:
                self.add(part, WorkspaceObject("DIRECTORY"))
            elif self.all[part].kind != "DIRECTORY":
                raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"{part} is not a folder.")


def _info(path: str, found: WorkspaceObject) -> dict[str, Any]:
    info: dict[str, Any] = {
        "path": path,
        "object_type": found.kind,
        "object_id": found.object_id,
        "modified_at": int(found.modified_at * 1000),
    }
    if found.kind == "NOTEBOOK":
        info["language"] = found.language
    if found.kind == "FILE":
        info["size"] = len(found.content)
    return info


def _read(body: dict[str, Any]) -> tuple[str, WorkspaceObject]:
    """What an import means: the path that it will have, and the object."""
    path, content = body["path"], base64.b64decode(body.get("content") or "")
    if len(content) > CONTENT_BYTES_MAX:
        raise ApiError(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "The content is too large.")
    form = body.get("format", "SOURCE")
    extension = "." + path.rpartition(".")[2].lower()
    if form == "SOURCE":
        if not body.get("language"):
            raise invalid("language is required for the format SOURCE.")
        return path, WorkspaceObject("NOTEBOOK", body["language"], content)
    if form == "JUPYTER":
        json.loads(content)
        return path, WorkspaceObject("NOTEBOOK", "PYTHON", content)
    if form == "AUTO":
        language = _HEADERS.get(content.split(b"\n")[0].strip())
        if language or extension == ".ipynb":
            plain = path[: -len(extension)] if extension in _EXTENSIONS else path
            return plain, WorkspaceObject("NOTEBOOK", language or "PYTHON", content)
    return path, WorkspaceObject("FILE", None, content)


def _as(found: WorkspaceObject, form: str) -> bytes:
    """A notebook in the format that is asked for, whichever it came in."""
    is_jupyter = found.content.lstrip().startswith(b"{")
    if found.kind != "NOTEBOOK" or form not in {"SOURCE", "JUPYTER"}:
        return found.content
    if is_jupyter == (form == "JUPYTER"):
        return found.content
    parsed = parse(found.content.decode())
    return (to_jupyter(parsed) if form == "JUPYTER" else to_source(parsed)).encode()


def _import(objects: Objects, body: dict[str, Any]) -> None:
    path, made = _read(body)
    path = "/" + path.removeprefix("/Workspace").strip("/")
    parent = path.rpartition("/")[0] or "/"
    if parent not in objects.all:
        raise ApiError(
            404, "RESOURCE_DOES_NOT_EXIST", f"The parent folder ({parent}) does not exist."
        )
    there = objects.all.get(path)
    if there is not None and (not body.get("overwrite") or there.kind != made.kind):
        raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
    made.object_id = there.object_id if there else 0
    objects.add(path, made)


def routes(state: State, wrap: Any) -> list[Route]:
    objects: Objects = state.sub(Objects)

    async def mkdirs(request: Request) -> Response:
        objects.mkdirs((await request.json())["path"])
        return JSONResponse({})

    async def import_(request: Request) -> Response:
        if "multipart" in request.headers.get("content-type", ""):
            form = dict(await request.form())
            file = form.pop("content")
            form["content"] = base64.b64encode(await file.read()).decode()  # ty: ignore
            form["overwrite"] = form.get("overwrite") == "true"  # ty: ignore
            _import(objects, form)
        else:
            _import(objects, await request.json())
        return JSONResponse({})

    async def export(request: Request) -> Response:
        _, found = objects.get(request.query_params["path"])
        if request.query_params.get("direct_download") == "true":
            return Response(found.content)
        text = _as(found, request.query_params.get("format", "SOURCE"))
        content = base64.b64encode(text).decode()
        return JSONResponse({"content": content, "file_type": "py"})

    async def status(request: Request) -> Response:
        return JSONResponse(_info(*objects.get(request.query_params["path"])))

    async def listing(request: Request) -> Response:
        path, found = objects.get(request.query_params["path"])
        if found.kind != "DIRECTORY":
            return JSONResponse({"objects": [_info(path, found)]})
        inside = [e for e in objects.below(path) if (e.rpartition("/")[0] or "/") == path]
        listed = [_info(each, objects.all[each]) for each in sorted(inside)]
        return JSONResponse({"objects": listed} if listed else {})

    async def delete(request: Request) -> Response:
        body = await request.json()
        path, _ = objects.get(body["path"])
        below = objects.below(path)
        if below and not body.get("recursive"):
            raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty.")
        for each in (*below, path):
            del objects.all[each]
        return JSONResponse({})

    return [
        Route(f"{PATH}/mkdirs", wrap(mkdirs), methods=["POST"]),
        Route(f"{PATH}/import", wrap(import_), methods=["POST"]),
        Route(f"{PATH}/export", wrap(export)),
        Route(f"{PATH}/get-status", wrap(status)),
        Route(f"{PATH}/list", wrap(listing)),
        Route(f"{PATH}/delete", wrap(delete), methods=["POST"]),
    ]
