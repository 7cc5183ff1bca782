"""Answers what code in a sandbox asks of the server; see `inside/bridge.py` for the frames.

Whoever asks is not trusted: sizes are bounded, and what comes in goes into a file of ours, so that
the server never opens a path that a notebook could have prepared.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import uuid4

import anyio
from anyio import to_thread
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream

from servicetsunami.errors import LimitExceeded, ServerError

_HEADER_BYTES_MAX: Final = 2**20
_CONTENT_BYTES_MAX: Final = 2**30
_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question; `content` is a file with what came along, which goes away after the answer."""

    verb: str
    arguments: Mapping[str, Any]
    content: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer: a JSON value, and a file whose bytes go along."""

    value: object
    content: Path | None = None


Answerer: TypeAlias = Callable[[Asked], Awaitable[Told]]
"""May raise ServerError, whose text the notebook gets."""


async def converse(stream: ByteStream, answer: Answerer, temp_dir: Path) -> None:
    """Answer the questions of one connection until it is closed."""
    incoming = BufferedByteReceiveStream(stream)
    async with stream:
        try:
            while True:
                length = int.from_bytes(await incoming.receive_exactly(4), "big")
                if length > _HEADER_BYTES_MAX:
                    return
                header = json.loads(await incoming.receive_exactly(length))
                await _answer_one(stream, incoming, header, answer, temp_dir)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            return
        except (ValueError, KeyError, TypeError, AttributeError):
            # Not a frame: whoever writes such things is not our own code.
            return


async def _answer_one(
    stream: ByteStream,
    incoming: BufferedByteReceiveStream,
    header: Mapping[str, Any],
    answer: Answerer,
    temp_dir: Path,
) -> None:
    size, content = int(header["size"]), None
    try:
        if size > _CONTENT_BYTES_MAX:
            raise LimitExceeded(
                f"{size} bytes are more than a notebook may hand over at once.",
                "Write fewer rows, in several steps with mode append.",
            )
        if size > 0:
            content = temp_dir / f"bridge-{uuid4().hex}"
            await _receive_into(content, incoming, size)
        asked = Asked(
            verb=str(header["verb"]), arguments=dict(header["arguments"]), content=content
        )
        told = await answer(asked)
        await _tell(stream, told)
    except ServerError as error:
        await _send(stream, {"error": str(error), "size": 0})
        if size > _CONTENT_BYTES_MAX:
            raise anyio.EndOfStream from error
    finally:
        if content is not None:
            await to_thread.run_sync(lambda: content.unlink(missing_ok=True))


async def _receive_into(path: Path, incoming: BufferedByteReceiveStream, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    async with await anyio.open_file(path, "xb") as file:
        while size > 0:
            part = await incoming.receive(min(size, _CHUNK_BYTES))
            await file.write(part)
            size -= len(part)


async def _tell(stream: ByteStream, told: Told) -> None:
    if told.content is None:
        await _send(stream, {"value": told.value, "size": 0})
        return
    await _send(stream, {"value": told.value, "size": told.content.stat().st_size})
    async with await anyio.open_file(told.content, "rb") as file:
        while part := await file.read(_CHUNK_BYTES):
            await stream.send(part)


async def _send(stream: ByteStream, header: Mapping[str, Any]) -> None:
    text = json.dumps(header).encode()
    await stream.send(len(text).to_bytes(4, "big") + text)
