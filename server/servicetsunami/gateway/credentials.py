"""Who we are at the workspace: a token of our own, or one that is fetched and renewed."""

import base64
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
import httpx
from anyio import to_thread

from servicetsunami.errors import ConfigurationError, RemoteError
from servicetsunami.gateway import replies
from servicetsunami.gateway.config import WorkspaceConfig
from servicetsunami.gateway.retry import Failure, retry_after_s

_EARLY_MAX_S: Final = 20 * 60.0
_LIFE_S: Final = 3600.0
_WHAT: Final = "the request for a token"


class Credentials(Protocol):
    """Puts the authorization on a request."""

    async def headers(self) -> dict[str, str]:
        """The headers to send; may fetch a token first, and raise Failure."""
        ...

    def renew(self) -> bool:
        """Give up what was used; tells whether something else may come of it."""
        ...


class Token:
    """A personal access token, which is what it is."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def headers(self) -> dict[str, str]:
        """The token as it is."""
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """There is no other one."""
        return False


class ServicePrincipal:
    """OAuth machine-to-machine: a token for an hour, renewed before it ends, by one at a time.

    The token endpoint is the one that the workspace's metadata name, else the usual one.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        client_id: str,
        client_secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        secret = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._authorization = f"Basic {secret}"
        self._clock = clock
        self._fetching = anyio.Lock()
        self._endpoint: str | None = None
        self._token = ""
        self._stale_at = 0.0

    async def headers(self) -> dict[str, str]:
        """A token that has not ended, fetched where there is none."""
        if self._clock() >= self._stale_at:
            async with self._fetching:
                if self._clock() >= self._stale_at:
                    await self._fetch()
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Have the next request fetch a new one."""
        self._stale_at = 0.0
        return True

    async def _fetch(self) -> None:
        if self._endpoint is None:
            self._endpoint = await self._discover()
        answer = await self._ask("POST", self._endpoint)
        said = replies.read_error(answer.status_code, answer.reason_phrase, answer.content)
        if answer.is_error:
            error = replies.error_of(answer.status_code, said, _WHAT)
            if answer.status_code in {400, 401, 403}:
                error = replies.error_of(401, said, _WHAT)
            raise Failure(
                error,
                status=answer.status_code,
                was_sent=False,
                retry_after_s=retry_after_s(answer.headers.get("Retry-After")),
            )
        found = _object(answer)
        # Some servers give the number as a text.
        try:
            with replies.understood(_WHAT):
                life_s = float(found.get("expires_in") or _LIFE_S)
                self._token = str(found["access_token"])
        except RemoteError as error:
            raise Failure(error) from error
        self._stale_at = self._clock() + life_s - min(life_s / 2, _EARLY_MAX_S)

    async def _discover(self) -> str:
        """Ask the workspace where tokens are to be had; 404 is normal on old ones."""
        found = await self._ask("GET", "/.well-known/databricks-config")
        base = "/oidc"
        if found.is_success:
            config = _object(found)
            endpoint = str(config.get("oidc_endpoint") or base)
            base = endpoint.replace("{account_id}", str(config.get("account_id") or ""))
        known = await self._ask("GET", f"{base}/.well-known/oauth-authorization-server")
        if known.is_success and (endpoint := _object(known).get("token_endpoint")):
            return str(endpoint)
        return "/oidc/v1/token"

    async def _ask(self, method: str, url: str) -> httpx.Response:
        posted = method == "POST"
        data = {"grant_type": "client_credentials", "scope": "all-apis"} if posted else None
        headers = {"Authorization": self._authorization} if posted else {}
        try:
            return await self._http.request(method, url, data=data, headers=headers)
        except httpx.TransportError as error:
            failure = replies.unavailable(_WHAT, type(error).__name__)
            raise Failure(failure, was_sent=False) from error


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        return replies.json_of(answer.content, answer.headers.get("Content-Type", ""), _WHAT)
    except RemoteError as error:
        raise Failure(error, was_sent=False) from error


class SdkCredentials:
    """What Databricks' own SDK knows beyond that, such as `azure-cli`; an optional extra.

    The SDK is slow to import and asks the host while it is constructed: both happen in a thread,
    which nobody waits for past the own deadline. What it finds out after that serves the next try.
    """

    def __init__(self, config: WorkspaceConfig) -> None:
        self._config = config
        self._opening = anyio.Lock()
        self._sdk: Any = None

    async def headers(self) -> dict[str, str]:
        """The headers that the SDK would send."""
        async with self._opening:
            sdk = self._sdk or await to_thread.run_sync(self._open, abandon_on_cancel=True)
        return await to_thread.run_sync(_signed, sdk, abandon_on_cancel=True)

    def renew(self) -> bool:
        """Have the SDK begin anew."""
        self._sdk = None
        return True

    def _open(self) -> Any:  # noqa: ANN401 - a class of an optional package
        config = self._config
        try:
            core = import_module("databricks.sdk.core")
        except ImportError as error:
            raise ConfigurationError(
                f"The auth type {config.auth_type!r} needs Databricks' SDK, which is not here.",
                "Install the extra: pip install 'servicetsunami[databricks-sdk]'.",
            ) from error
        try:
            sdk = core.Config(
                host=config.host,
                auth_type=config.auth_type,
                profile=config.profile or None,
                config_file=_text(config.config_file),
                client_id=config.client_id or None,
                client_secret=config.client_secret or None,
                token=config.token or None,
                http_timeout_seconds=config.call_timeout_s,
                # A whole number for the SDK, to which 0 means 300.
                retry_timeout_seconds=max(1, round(config.call_timeout_s)),
            )
        except ValueError as error:
            raise ConfigurationError(
                f"Databricks' SDK cannot sign in by {config.auth_type!r}: {_first_line(error)}",
                "Correct DATABRICKS_AUTH_TYPE and what it needs.",
            ) from error
        self._sdk = sdk
        return sdk


def _signed(sdk: Any) -> dict[str, str]:  # noqa: ANN401 - a class of an optional package
    """The SDK's headers; raises Failure. Nothing of the call itself was sent then."""
    try:
        return dict(sdk.authenticate())
    except OSError as error:  # also those of requests, and the SDK's own
        why = f"{type(error).__name__}: {_first_line(error)}"
        raise Failure(replies.unavailable(_WHAT, why), was_sent=False) from error
    except ValueError as error:
        said = replies.Said("", _first_line(error))
        raise Failure(replies.error_of(401, said, _WHAT), status=401, was_sent=False) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def credentials_of(config: WorkspaceConfig, http: httpx.AsyncClient) -> Credentials:
    """Choose by the auth type."""
    if config.auth_type == "pat":
        return Token(config.token)
    if config.auth_type == "oauth-m2m":
        return ServicePrincipal(
            http, client_id=config.client_id, client_secret=config.client_secret
        )
    return SdkCredentials(config)
