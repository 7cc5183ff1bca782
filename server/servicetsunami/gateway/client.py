"""One way to a workspace for every verb: credentials, deadline, retries, limits, errors.

From the outside in: the breaker, the deadline of the whole call, the retries, the limit of requests
per second, the request. Nothing above or below this retries.
"""

import random
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import anyio
import httpx
import stamina
from aiolimiter import AsyncLimiter

from servicetsunami.domain.budget import Permit
from servicetsunami.errors import RemoteError, RemoteRefused
from servicetsunami.gateway import paying, replies
from servicetsunami.gateway.breaker import Breaker
from servicetsunami.gateway.config import WorkspaceConfig
from servicetsunami.gateway.credentials import Credentials, credentials_of
from servicetsunami.gateway.retry import (
    TRIES_MAX,
    Failure,
    Replay,
    may_repeat,
    retry_after_s,
    wait_s,
)
from servicetsunami.gateway.tracing import RequestSpan

T = TypeVar("T")
Query: TypeAlias = Mapping[str, str | int | bool | Sequence[str]]

_BODY_BYTES_MAX: Final = 64 * 2**20
_WORKSPACE_HEADER: Final = "X-Databricks-Org-Id"
_NUMBERED: Final = re.compile(r"//adb-(\d+)\.\d+\.")
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class WorkspaceClient:
    """Sends requests to one workspace; `http` belongs to it, and is closed with it."""

    def __init__(
        self,
        config: WorkspaceConfig,
        http: httpx.AsyncClient,
        *,
        credentials: Credentials | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        # It would tell of every single try, and on stdout, which belongs to the protocol, where
        # structlog is installed; what came of them is told by whoever asked.
        stamina.instrumentation.set_on_retry_hooks(())
        self.config = config
        self.http = http
        self.breaker = Breaker(
            failures_max=config.breaker_failures,
            open_s=config.breaker_open_s,
            open_max_s=config.breaker_open_max_s,
            clock=clock,
        )
        self.workspace_id = _number_in(config.host)
        """The workspace's own number, as its address or one of its answers told; empty before."""
        self.answers: Counter[int] = Counter()
        """Requests that were sent, by the status of their answers; 0 for those without one."""
        self._unguarded = Breaker(failures_max=sys.maxsize, open_s=0, open_max_s=0, clock=clock)
        self._credentials = credentials or credentials_of(config, http)
        self._limiter = AsyncLimiter(max(1.0, config.requests_per_s), 1.0)
        self._clock = clock
        self._rng = rng

    async def send(
        self,
        method: str,
        path: str,
        *,
        replay: Replay,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        deadline_s: float | None = None,
        try_s: float | None = None,
        permit: Permit | None = None,
    ) -> dict[str, Any]:
        """Send JSON, and return the object in the answer.

        What may cost needs a `permit`. Raises a RemoteError, always within `deadline_s` (as
        configured, if not given).
        """
        once = partial(self.try_once, method, path, query=query, body=body, permit=permit)
        return await self.call(
            f"{method} {path}", once, replay=replay, deadline_s=deadline_s, try_s=try_s
        )

    async def try_once(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        permit: Permit | None = None,
    ) -> dict[str, Any]:
        """One try of `send`, for what a `call` does in several steps; raises Failure."""
        what = f"{method} {path}"
        async with self.exchange(method, path, query=query, json=body, permit=permit) as response:
            content = await _read(response, what)
        try:
            return replies.json_of(content, response.headers.get("Content-Type", ""), what)
        except RemoteError as error:
            raise Failure(error, status=response.status_code) from error

    async def call(
        self,
        what: str,
        once: Callable[[], Awaitable[T]],
        *,
        replay: Replay,
        deadline_s: float | None = None,
        try_s: float | None = None,
        is_workspace: bool = True,
    ) -> T:
        """Do something once, or again where that is allowed, until the deadline.

        What speaks to an object store says nothing about the workspace (`is_workspace` False):
        the breaker neither holds it up nor learns from it.
        """
        breaker = self.breaker if is_workspace else self._unguarded
        breaker.enter()
        deadline_s = deadline_s or self.config.deadline_s
        try_s = min(try_s or self.config.call_timeout_s, deadline_s)
        tries = _Tries(what, replay, self._clock() + deadline_s, self._clock, self._rng)
        is_settled = False
        try:
            with anyio.move_on_after(deadline_s):
                result = await tries.run(once, try_s=try_s)
                is_settled = True
                breaker.succeeded()
                return result
            error: RemoteError = tries.last or replies.unavailable(what, f"{deadline_s:g} s passed")
            breaker.failed(error.what)
            is_settled = True
            raise error
        except Failure as failure:
            is_settled = True
            _settle(breaker, failure)
            raise failure.error from failure
        finally:
            if not is_settled:
                breaker.gave_up()

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: Callable[[], AsyncIterator[bytes]] | None = None,
        permit: Permit | None = None,
    ) -> AsyncGenerator[httpx.Response]:
        """One request and its answer, whose body is still to be read; raises Failure.

        A token that has ended is renewed and the request repeated: it was not executed.
        """
        paying.check(method, path, permit)
        what = f"{method} {path}"
        for is_last in (False, True):
            with RequestSpan(method, self.config.host) as span:
                sent = {"User-Agent": self.config.user_agent, **span.headers, **(headers or {})}
                sent |= await self._credentials.headers()
                request = self.http.build_request(
                    method,
                    path,
                    params=_flat(query),
                    json=json,
                    headers=sent,
                    content=None if content is None else content(),
                )
                async with self._limiter:
                    response = await self._sent(request, what)
                span.answered(response.status_code)
                try:
                    if response.is_success:
                        yield response
                        return
                    failure = await _failure(response, what)
                finally:
                    await response.aclose()
            is_old = isinstance(failure, _Expired)
            if is_last or not is_old or not self._credentials.renew():
                raise failure

    async def _sent(self, request: httpx.Request, what: str) -> httpx.Response:
        try:
            response = await _dispatch(self.http, request, what)
        except Failure:
            self.answers[0] += 1
            raise
        self.answers[response.status_code] += 1
        told = response.headers.get(_WORKSPACE_HEADER, "")
        if response.is_success and told.isdigit():
            self.workspace_id = told
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self.http.aclose()


class _Expired(Failure):
    """The token is not accepted; another one may be."""


class _Tries:
    """The tries of one call; `last` is what the newest of them failed of."""

    def __init__(
        self,
        what: str,
        replay: Replay,
        ends_at: float,
        clock: Callable[[], float],
        rng: Callable[[], float],
    ) -> None:
        self.last: RemoteError | None = None
        self._what = what
        self._replay = replay
        self._ends_at = ends_at
        self._clock = clock
        self._rng = rng
        self._count = 0

    async def run(self, once: Callable[[], Awaitable[T]], *, try_s: float) -> T:
        """Try until it succeeds, may not be repeated, or could not end in time."""
        async for attempt in stamina.retry_context(
            on=self._pause, attempts=TRIES_MAX, timeout=None
        ):
            with attempt:
                return await self._once(once, try_s)
        raise AssertionError  # pragma: no cover - the context always returns or raises

    async def _once(self, once: Callable[[], Awaitable[T]], try_s: float) -> T:
        # Not httpx's own time-out, which begins anew with every byte that trickles in.
        with anyio.move_on_after(try_s):
            try:
                return await once()
            except httpx.RequestError as error:
                failure = replies.unavailable(self._what, type(error).__name__)
                raise Failure(failure) from error
        raise Failure(replies.unavailable(self._what, f"nothing whole came within {try_s:g} s"))

    def _pause(self, error: Exception) -> float | bool:
        """Seconds until the next try, or False for none."""
        if not isinstance(error, Failure):
            return False
        self.last, self._count = error.error, self._count + 1
        if not may_repeat(error, self._replay):
            return False
        pause_s = wait_s(error, self._count, rng=self._rng)
        # What cannot end in time is not begun: the caller learns of it now.
        return max(pause_s, 0.001) if self._clock() + pause_s < self._ends_at else False


def _number_in(host: str) -> str:
    """The number that addresses on Azure carry; empty for others."""
    found = _NUMBERED.search(host)
    return "" if found is None else found[1]


def _settle(breaker: Breaker, failure: Failure) -> None:
    if failure.is_unavailable:
        breaker.failed(failure.error.what)
    else:
        breaker.succeeded()


async def _dispatch(http: httpx.AsyncClient, request: httpx.Request, what: str) -> httpx.Response:
    try:
        return await http.send(request, stream=True)
    except _NOT_SENT as error:
        failure = replies.unavailable(what, "no connection")
        raise Failure(failure, was_sent=False) from error
    except httpx.RequestError as error:
        raise Failure(replies.unavailable(what, type(error).__name__)) from error


async def _failure(response: httpx.Response, what: str) -> Failure:
    status = response.status_code
    if response.is_redirect:
        error: RemoteError = RemoteRefused(
            f"Databricks sent {what} elsewhere, as it does for private links and wrong hosts.",
            "Check DATABRICKS_HOST, and that this machine may reach the workspace.",
        )
        return Failure(error, status=status)
    said = replies.read_error(status, response.reason_phrase, await _read(response, what))
    kind = _Expired if replies.means_expired(status, said) else Failure
    return kind(
        replies.error_of(status, said, what),
        status=status,
        retry_after_s=retry_after_s(response.headers.get("Retry-After")),
    )


async def _read(response: httpx.Response, what: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > _BODY_BYTES_MAX:
            raise Failure(
                RemoteRefused(f"The answer to {what} is too long.", "Ask for less at once.")
            )
        parts.append(part)
    return b"".join(parts)


def _flat(query: Query | None) -> httpx.QueryParams:
    """Query values as Databricks reads them: true and false, and a key for each of a list."""
    pairs: list[tuple[str, str | float | None]] = []
    for name, value in (query or {}).items():
        values = [value] if isinstance(value, str | int | bool) else list(value)
        pairs += [(name, str(v).lower() if isinstance(v, bool) else str(v)) for v in values]
    return httpx.QueryParams(pairs)


async def paged(
    client: WorkspaceClient, path: str, *, items: str, query: Query, items_max: int
) -> list[dict[str, Any]]:
    """All items of a listing, page by page, at most `items_max`.

    A page may be empty and still name a next one. Raises RemoteRefused when a page names itself.
    """
    found: list[dict[str, Any]] = []
    token, seen = "", {""}
    while len(found) < items_max:
        asked = {**query, **({"page_token": token} if token else {})}
        page = await client.send("GET", path, query=asked, replay=Replay.SAFE)
        found += page.get(items) or []
        token = page.get("next_page_token") or ""
        if not token:
            break
        if token in seen:
            raise RemoteRefused(
                f"Databricks gave the same page of {path} twice.", "Ask again later."
            )
        seen.add(token)
    return found[:items_max]
