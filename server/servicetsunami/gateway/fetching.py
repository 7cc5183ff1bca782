"""Fetches a file from an address that a caller has given, and from nowhere else.

A name is resolved once; all of its addresses are judged before anything is sent, and one of them
is connected to, under the name that was asked for. Each redirect is judged anew.
"""

import re
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Final

import anyio
import httpx
from anyio import to_thread

from servicetsunami.errors import (
    Denied,
    InvalidInput,
    LimitExceeded,
    RemoteUnavailable,
    ServerError,
    TimedOut,
)
from servicetsunami.gateway.addresses import is_public, may_be_own
from servicetsunami.gateway.authorities import authorities

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_HOPS_MAX: Final = 5
_PORTS: Final = {"https": 443, "http": 80}
_ADDRESS_CHARS_MAX: Final = 4_096
_NAME_CHARS_MAX: Final = 100
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_ADDRESSES_TRIED_MAX: Final = 3
_CHECK: Final = "Check the address, or download the file and give its path."


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, as the system knows them."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What may be fetched: `hosts` with public addresses at `ports`, `origins`, and how much."""

    hosts: Sequence[str]
    origins: Sequence[str]
    bytes_max: int
    timeout_s: float
    ports: Sequence[int] = (443,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """An address that was judged: connect to one of `addresses`, and ask for `url`."""

    url: httpx.URL
    host: str
    addresses: Sequence[str]


class Fetcher:
    """Fetches files into `temp_dir`; `ca_file` has authorities to believe besides public ones."""

    def __init__(
        self,
        limits: FetchLimits,
        *,
        temp_dir: Path,
        ca_file: Path | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self._limits = limits
        self._temp_dir = temp_dir
        self._ca_file = ca_file
        self._resolve = resolve

    @asynccontextmanager
    async def fetched(self, address: str) -> AsyncGenerator[Path]:
        """A file with what is at the address, called as it is there; removed at the end.

        Raises InvalidInput for what is no usable address or no file, Denied for one that this
        server does not fetch from, LimitExceeded, TimedOut, and RemoteUnavailable.
        """
        self._temp_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix="fetch-", dir=self._temp_dir))
        try:
            with anyio.move_on_after(self._limits.timeout_s) as timer:
                path = await self._fetch(address, folder)
            if timer.cancelled_caught:
                raise TimedOut(
                    f"Fetching took more than {self._limits.timeout_s:g} s.",
                    "Try a smaller file, or download it and give its path.",
                )
            yield path
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(lambda: rmtree(folder, ignore_errors=True))

    async def _fetch(self, address: str, folder: Path) -> Path:
        url = _parsed(address)
        tls = await to_thread.run_sync(self._authorities)
        # Neither proxies nor credentials out of the environment, and no cookies between hops.
        async with httpx.AsyncClient(verify=tls, trust_env=False, timeout=_TIMEOUT) as client:
            for _ in range(_HOPS_MAX + 1):
                target = await self._judged(url)
                path = folder / _file_name(url)
                following = await self._ask(client, target, path)
                if following is None:
                    return path
                url = _parsed(str(url.join(following)))
        raise InvalidInput(f"The address leads on more than {_HOPS_MAX} times.", _CHECK)

    def _authorities(self) -> ssl.SSLContext:
        return authorities(trust_env=False, ca_file=self._ca_file)

    async def _judged(self, url: httpx.URL) -> _Target:
        """Where to connect to; raises the same error for all that leads nowhere public."""
        host = url.host.rstrip(".").lower()
        port = url.port or _PORTS[url.scheme]
        is_own = f"{url.scheme}://{host}:{port}" in map(_whole, self._limits.origins)
        if not is_own:
            self._check_public(url, host, port)
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            addresses = ()
        is_allowed = may_be_own if is_own else is_public
        # One that is not allowed spoils them all: no honest name has such a mixture.
        if not addresses or not all(map(is_allowed, addresses)):
            raise Denied(
                f"{host[:200]!r} is not the name of a host with public addresses.",
                "Check it. For a host of your own network, SERVICETSUNAMI_FETCH_ORIGINS names it.",
            )
        return _Target(url=url, host=host, addresses=addresses[:_ADDRESSES_TRIED_MAX])

    def _check_public(self, url: httpx.URL, host: str, port: int) -> None:
        if url.scheme != "https" or port not in self._limits.ports:
            raise Denied(
                "Files are fetched over https and its own port, 443, only.",
                "Give an https address without a port.",
            )
        if not any(_matches(host, each) for each in self._limits.hosts):
            raise Denied(
                f"This server does not fetch from {host[:200]!r}.",
                "Download the file and give its path; SERVICETSUNAMI_FETCH_HOSTS names the hosts.",
            )

    async def _ask(self, client: httpx.AsyncClient, target: _Target, path: Path) -> str | None:
        """Write what is there to the file; or where it leads on to."""
        failure: httpx.TransportError | None = None
        for address in target.addresses:
            try:
                async with client.stream(
                    "GET",
                    target.url.copy_with(host=address),
                    headers={
                        "Host": _authority(target),
                        # What is packed stays so, and is unpacked within the limits of ingest.
                        "Accept-Encoding": "identity",
                        "User-Agent": "servicetsunami",
                    },
                    extensions={"sni_hostname": target.host},
                ) as answer:
                    if answer.has_redirect_location:
                        return answer.headers["location"]
                    _check_answer(answer, self._limits.bytes_max)
                    await self._keep(answer, path)
                    return None
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except httpx.TransportError as error:
                raise _not_fetched(target, error) from error
        raise _not_fetched(target, failure)

    async def _keep(self, answer: httpx.Response, path: Path) -> None:
        size = 0
        async with await anyio.open_file(path, "wb") as file:
            async for part in answer.aiter_raw():
                size += len(part)
                if size > self._limits.bytes_max:
                    raise _too_long(self._limits.bytes_max)
                await file.write(part)


def _parsed(address: str) -> httpx.URL:
    """The address; one parser judges it and connects, so that they cannot disagree."""
    if len(address) > _ADDRESS_CHARS_MAX or not address.isprintable() or " " in address:
        raise InvalidInput("The source is not a usable address.", _CHECK)
    try:
        url = httpx.URL(address).copy_with(fragment=None)
        host = url.host
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise InvalidInput("The source is not a usable address.", _CHECK) from error
    if url.scheme not in _PORTS or not host:
        raise InvalidInput("Files are fetched from https addresses only.", _CHECK)
    if url.userinfo:
        raise InvalidInput(
            "The address has a user or a password in it.",
            "Credentials are not sent: give an address that needs none, or is signed.",
        )
    return url


def _whole(origin: str) -> str:
    """An origin as it is compared: with its port, and without a trailing slash or dot."""
    try:
        url = httpx.URL(origin)
        return f"{url.scheme}://{url.host.rstrip('.')}:{url.port or _PORTS[url.scheme]}"
    except (httpx.InvalidURL, KeyError):
        return ""


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern in {"*", host}


def _authority(target: _Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.url.port is None else f"{host}:{target.url.port}"


def _check_answer(answer: httpx.Response, bytes_max: int) -> None:
    if answer.status_code != httpx.codes.OK:
        raise InvalidInput(f"The address answered {answer.status_code}, not a file.", _CHECK)
    if answer.headers.get("content-type", "").lower().startswith("text/html"):
        raise InvalidInput(
            "The address answered with a web page, not a file.",
            "Give the address of the file itself, often behind a link called raw or download.",
        )
    length = answer.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > bytes_max:
        raise _too_long(bytes_max)


def _too_long(bytes_max: int) -> LimitExceeded:
    return LimitExceeded(
        f"The file is longer than {bytes_max // 2**20} MiB.",
        "Fetch it in parts, or have SERVICETSUNAMI_FETCH_MB raised.",
    )


def _not_fetched(target: _Target, error: Exception | None) -> ServerError:
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{target.host} did not answer in time.", "Try again later.")
    is_tls = "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper()
    why = "its certificate is not to be trusted" if is_tls else "the connection failed"
    return RemoteUnavailable(f"{target.host} could not be asked: {why}.", _CHECK)


def _file_name(url: httpx.URL) -> str:
    """What the file is called there, as it may be called here."""
    name = re.sub(r"[^\w.-]+", "_", url.path.rsplit("/", 1)[-1]).lstrip(".")
    return name[-_NAME_CHARS_MAX:].lstrip(".") or "download"
