"""The Files API over volumes: simple calls, and multipart uploads by presigned links."""

import secrets
import shutil
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.errors import ApiError, invalid, missing
from tests.fakes.databricks.state import State

PAGE_ITEMS = 1000


@dataclass
class Uploads:
    """Multipart uploads that have begun: the path, and the parts that have come."""

    begun: dict[str, tuple[str, bool]] = field(default_factory=dict)
    parts: dict[str, dict[int, Path]] = field(default_factory=dict)


def _put(target: Path, data: Path, *, overwrite: bool) -> None:
    if target.is_dir():
        raise ApiError(409, "ALREADY_EXISTS", "A directory is there.")
    if target.exists() and not overwrite:
        raise ApiError(409, "ALREADY_EXISTS", "The file already exists.")
    target.parent.mkdir(parents=True, exist_ok=True)
    data.replace(target)


async def _received(request: Request, state: State) -> Path:
    """The body as a file; whole, or not at all."""
    if "content-length" not in request.headers:
        raise ApiError(411, "BAD_REQUEST", "Content-Length is required.")
    path = state.folder / "data" / f"upload-{secrets.token_hex(8)}"
    with path.open("wb") as file:
        async for part in request.stream():
            file.write(part)
    return path


def _file_routes(state: State, wrap: Any) -> list[Route]:
    async def file(request: Request) -> Response:
        full = "/" + request.path_params["path"]
        if request.method == "POST":
            return await _multipart(request, state, full)
        target = state.volume_path(full)
        if request.method == "PUT":
            overwrite = request.query_params.get("overwrite") == "true"
            state.allow("WRITE_VOLUME", full)
            _put(target, await _received(request, state), overwrite=overwrite)
            return Response(status_code=204)
        if not target.is_file():
            raise missing(f"The file '{full}'")
        if request.method == "DELETE":
            target.unlink()
            return Response(status_code=204)
        return FileResponse(target, media_type="application/octet-stream")

    methods = ["GET", "HEAD", "PUT", "DELETE", "POST"]
    return [Route("/api/2.0/fs/files/{path:path}", wrap(file), methods=methods)]


def _directory_routes(state: State, wrap: Any) -> list[Route]:
    async def directory(request: Request) -> Response:
        full = "/" + request.path_params["path"].rstrip("/")
        target = state.volume_path(full)
        if request.method == "PUT":
            if target.is_file():
                raise ApiError(409, "ALREADY_EXISTS", "A file is there.")
            target.mkdir(parents=True, exist_ok=True)
            return Response(status_code=204)
        if not target.is_dir():
            raise missing(f"The directory '{full}'")
        if request.method == "DELETE":
            if any(target.iterdir()):
                raise ApiError(400, "DIRECTORY_NOT_EMPTY", "The directory is not empty.")
            shutil.rmtree(target)
            return Response(status_code=204)
        if request.method == "HEAD":
            return Response()
        return JSONResponse(_listing(request, full, target))

    methods = ["GET", "HEAD", "PUT", "DELETE"]
    return [Route("/api/2.0/fs/directories/{path:path}", wrap(directory), methods=methods)]


def _listing(request: Request, full: str, target: Path) -> dict[str, Any]:
    size = min(int(request.query_params.get("page_size") or PAGE_ITEMS), PAGE_ITEMS)
    start = int(request.query_params.get("page_token") or 0)
    entries = sorted(target.iterdir())
    shown = [
        {
            "path": f"{full}/{each.name}",
            "name": each.name,
            "is_directory": each.is_dir(),
            "file_size": 0 if each.is_dir() else each.stat().st_size,
            "last_modified": int(each.stat().st_mtime * 1000),
        }
        for each in entries[start : start + size]
    ]
    more = start + size < len(entries)
    return {"contents": shown, **({"next_page_token": str(start + size)} if more else {})}


async def _multipart(request: Request, state: State, full: str) -> Response:
    uploads: Uploads = state.sub(Uploads)
    action, token = request.query_params.get("action"), request.query_params.get("session_token")
    if action == "initiate-upload":
        state.volume_path(full)
        token = secrets.token_hex(8)
        uploads.begun[token] = (full, request.query_params.get("overwrite") == "true")
        uploads.parts[token] = {}
        return JSONResponse({"multipart_upload": {"session_token": token}})
    if token not in uploads.begun:
        raise invalid("Unknown session_token.")
    path, overwrite = uploads.begun.pop(token)
    parts = uploads.parts.pop(token)
    if action == "complete-upload":
        wanted = [part["part_number"] for part in (await request.json())["parts"]]
        whole = state.folder / "data" / f"upload-{token}"
        with whole.open("wb") as file:
            for number in wanted:
                file.write(parts[number].read_bytes())
        _put(state.volume_path(path), whole, overwrite=overwrite)
    return JSONResponse({})


def _link_routes(state: State, wrap: Any) -> list[Route]:
    uploads: Uploads = state.sub(Uploads)

    async def part_urls(request: Request) -> Response:
        body = await request.json()
        token, first = body["session_token"], int(body["start_part_number"])
        urls = [
            {
                "part_number": number,
                "url": f"{request.base_url}__upload__/{token}/{number}",
                "headers": [{"name": "x-fake-signature", "value": token}],
            }
            for number in range(first, first + int(body.get("count", 1)))
        ]
        return JSONResponse({"upload_part_urls": urls})

    async def part(request: Request) -> Response:
        token, number = request.path_params["token"], request.path_params["number"]
        signed = request.headers.get("x-fake-signature") == token
        if "authorization" in request.headers or not signed or token not in uploads.parts:
            return Response("<Error>AccessDenied</Error>", status_code=403)
        uploads.parts[token][number] = await _received(request, state)
        return Response(headers={"ETag": f'"{token}-{number}"'})

    async def download_url(request: Request) -> Response:
        body = await request.json()
        target = state.volume_path(body["path"])
        if not target.is_file():
            raise missing(f"The file '{body['path']}'")
        url = f"{request.base_url}__upload__/file{body['path']}"
        return JSONResponse({"url": url, "headers": []})

    async def download(request: Request) -> Response:
        target = state.volume_path("/" + request.path_params["path"])
        modified = formatdate(target.stat().st_mtime, usegmt=True)
        return FileResponse(target, headers={"Last-Modified": modified})

    return [
        Route("/api/2.0/fs/create-upload-part-urls", wrap(part_urls), methods=["POST"]),
        Route("/api/2.0/fs/create-download-url", wrap(download_url), methods=["POST"]),
        Route("/__upload__/file/{path:path}", download),
        Route("/__upload__/{token}/{number:int}", wrap(part), methods=["PUT"]),
    ]


def routes(state: State, wrap: Any) -> list[Route]:
    return [
        *_file_routes(state, wrap),
        *_directory_routes(state, wrap),
        *_link_routes(state, wrap),
    ]
