"""Trouble on demand: answers that fail, hang, break off, come twice late, or get lost."""

import json
import re
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import anyio

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


@dataclass
class Fault:
    """What goes wrong with matching requests: the first `skip` are spared, then `times` are hit.

    `after` lets the request do its work first, and then spoils the answer. Without a `status` and
    without any other trouble the request is only delayed.
    """

    method: str = "*"
    path: str = "/"
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: object = None
    skip: int = 0
    times: int | None = 1
    after: bool = False
    hang_s: float | None = None
    reset: bool = False
    half_body: bool = False
    drip_s: float | None = None
    delay_s: float | None = None
    hits: int = 0
    seen: int = 0

    def matches(self, method: str, path: str) -> bool:
        return self.method in {"*", method} and re.match(self.path, path) is not None


class Faults:
    """The rules in force; the first that matches and is not used up is the one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._rules.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if not rule.matches(method, path):
                    continue
                rule.seen += 1
                if rule.seen > rule.skip and (rule.times is None or rule.hits < rule.times):
                    rule.hits += 1
                    return rule
        return None


class FaultMiddleware:
    """Stands outermost, where it can reach the connection itself."""

    def __init__(self, app: Any, faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/__fake__"):
            await self.app(scope, receive, send)
            return
        fault = self.faults.take(scope["method"], scope["path"])
        if fault is None:
            await self.app(scope, receive, send)
            return
        if fault.delay_s:
            await anyio.sleep(fault.delay_s)
        if fault.after or not _spoils(fault):
            answer = _Kept()
            await self.app(scope, receive, answer.send)
            if not _spoils(fault):
                await answer.replay(send)
                return
            await _spoil(fault, send, answer)
            return
        await _spoil(fault, send, None)


def _spoils(fault: Fault) -> bool:
    return bool(fault.status or fault.hang_s or fault.reset or fault.half_body or fault.drip_s)


class _Kept:
    """An answer that was made and not yet sent."""

    def __init__(self) -> None:
        self.messages: list[MutableMapping[str, Any]] = []

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)

    async def replay(self, send: Send) -> None:
        for message in self.messages:
            await send(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


def _transport(send: Send) -> Any:
    """The connection below uvicorn's `send`."""
    return send.__self__.transport  # ty: ignore[missing-attribute]


async def _spoil(fault: Fault, send: Send, answer: _Kept | None) -> None:
    if fault.hang_s:
        await anyio.sleep(fault.hang_s)
        _transport(send).abort()
        return
    if fault.reset:
        _transport(send).abort()
        return
    status, body = fault.status or 200, _bytes(fault.body)
    if answer is not None and not fault.status:
        status, body = answer.messages[0]["status"], answer.body
    if fault.half_body or fault.drip_s:
        body = body or b'{"unfinished": "' + b"x" * 64 + b'"}'
        await _start(send, status, fault, len(body))
        if fault.half_body:
            await send(
                {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
            )
            _transport(send).close()
            return
        for at in range(len(body)):
            await send(
                {
                    "type": "http.response.body",
                    "body": body[at : at + 1],
                    "more_body": at + 1 < len(body),
                }
            )
            await anyio.sleep(fault.drip_s or 0)
        return
    await _start(send, status, fault, len(body))
    await send({"type": "http.response.body", "body": body})


async def _start(send: Send, status: int, fault: Fault, length: int) -> None:
    is_json = not isinstance(fault.body, str | bytes)
    headers = {
        "content-type": "application/json" if is_json else "text/html",
        "content-length": str(length),
        **{name.lower(): value for name, value in fault.headers.items()},
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


def _bytes(body: object) -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
