"""What belongs to hosted mode: who may come in, and what is looked after for each tenant."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from anyio import to_thread

from servicetsunami.app.databricks import caller_of
from servicetsunami.app.opening import App
from servicetsunami.domain.caller import Caller
from servicetsunami.domain.identity import Identity
from servicetsunami.errors import ConfigurationError, RemoteUnavailable
from servicetsunami.services.identities import Identities
from servicetsunami.settings import Settings
from servicetsunami.transport.addresses import is_loopback

if TYPE_CHECKING:
    from servicetsunami.transport.admission import Admission, Watcher
    from servicetsunami.transport.auth import Authenticator
    from servicetsunami.transport.http import Listening
    from servicetsunami.transport.steering import Seat, Steering
    from servicetsunami.transport.tokens import JwtVerifier, Keys

_SECRET_BYTES_MIN: Final = 32
_KEYS_BYTES_MAX: Final = 2**20
_KEYS_TIMEOUT_S: Final = 5.0
_CORRECT: Final = "Look at SERVICETSUNAMI_JWT_KEYS, if it lasts."


def check_hosting(settings: Settings) -> None:
    """Raise ConfigurationError for settings that would let in whom nobody wants."""
    if not is_loopback(settings.http_host):
        if not settings.asks_for_credentials:
            raise ConfigurationError(
                f"The server will not listen on {settings.http_host}: anybody there could use it.",
                "Set SERVICETSUNAMI_HTTP_HOST to 127.0.0.1, or have credentials asked for with "
                "SERVICETSUNAMI_AUTH=true; see docs/how-to/serve-over-http.md.",
            )
        if not settings.http_allowed_hosts:
            raise ConfigurationError(
                f"The server will not listen on {settings.http_host} under any name.",
                "Set SERVICETSUNAMI_HTTP_ALLOWED_HOSTS to the names that clients call it by.",
            )
    if settings.asks_for_credentials:
        _check_catalogs(settings)
        # For what it refuses: told once, before workers are forked that would each tell it.
        _verifier(settings)
    if settings.http_workers > 1:
        _check_workers(settings)


def _check_workers(settings: Settings) -> None:
    if not settings.asks_for_credentials:
        raise ConfigurationError(
            "Several workers would not know which of them a request is for.",
            "Have credentials asked for with SERVICETSUNAMI_AUTH=true, or leave out --workers.",
        )
    if sys.platform != "linux":
        raise ConfigurationError(
            "Only Linux spreads the connections of one address among several workers.",
            "Leave out --workers.",
        )


def _check_catalogs(settings: Settings) -> None:
    """One tenant must not read another's catalog on Databricks through a setting for all."""
    prefix = settings.databricks_catalog_prefix.lower()
    readable = settings.databricks_readable_catalogs or ()
    shared = [name for name in readable if name == "*" or name.startswith(prefix)]
    if shared:
        raise ConfigurationError(
            f"DATABRICKS_READABLE_CATALOGS has {', '.join(shared)}, so that each tenant could read "
            "the others' catalogs.",
            "Name the catalogs that all tenants may read, none of which is a tenant's.",
        )


def steering(settings: Settings, seat: "Seat") -> "Steering":
    """What brings requests to the worker that they are for."""
    from servicetsunami.transport.steering import Steering  # noqa: PLC0415 - the web stack is heavy

    return Steering(seat, tenant_claim=settings.jwt_tenant_claim)


def listening(settings: Settings) -> "Listening":
    """How to listen, out of the settings."""
    from servicetsunami.transport.http import Listening  # noqa: PLC0415 - the web stack is heavy

    return Listening(
        public_url=settings.public_url,
        issuer=settings.jwt_issuer,
        hosts=settings.http_allowed_hosts,
        origins=settings.http_allowed_origins,
        proxies=settings.http_proxies,
        body_bytes_max=settings.http_body_mb * 2**20,
        upload_bytes_max=settings.http_upload_mb * 2**20,
        body_s=settings.http_body_s,
        drain_s=settings.http_drain_s,
        with_sse=settings.http_sse,
        with_dashboard=settings.http_dashboard,
    )


def identities(settings: Settings, app: App) -> Identities:
    """The tenants and their keys."""
    return Identities(metadata=app.metadata, on_first_use=settings.tenants_on_first_use)


def authenticator(app: App, known: Identities) -> "Authenticator | None":
    """What turns credentials into callers; None where none are asked for."""
    from servicetsunami.transport.auth import Authenticator  # noqa: PLC0415 - the SDK is heavy

    if not app.settings.asks_for_credentials:
        return None
    return Authenticator(
        is_key=known.is_key,
        key_identity=known.key_identity,
        tokens=_verifier(app.settings),
        admit=known.admit,
        caller_of=partial(_caller, app),
    )


def admission(settings: Settings, watchers: "Sequence[Watcher]" = ()) -> "Admission":
    """What every operation passes; no limits for the one user of this machine."""
    from servicetsunami.transport.admission import Admission  # noqa: PLC0415 - only over HTTP
    from servicetsunami.transport.limits import Limits  # noqa: PLC0415

    if not settings.asks_for_credentials:
        return Admission(watchers=watchers)
    limits = Limits(
        tenant_per_minute=settings.calls_per_minute,
        subject_per_minute=settings.calls_per_minute_of_subject,
        at_once=settings.calls_at_once,
        in_all=settings.calls_at_once_in_all,
    )
    return Admission(limits, watchers)


def _caller(app: App, identity: Identity) -> Caller:
    caller = caller_of(app.settings, identity.tenant, identity.subject)
    return replace(
        caller,
        scopes=identity.scopes,
        catalogs=app.readable_catalogs,
        issuer=identity.issuer,
    )


def _verifier(settings: Settings) -> "JwtVerifier | None":
    from servicetsunami.transport.tokens import JwtVerifier  # noqa: PLC0415 - not without auth

    keys = _keys(settings)
    if keys is None:
        return None
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise ConfigurationError(
            "Tokens of any issuer, or for any server, would be taken.",
            "Set SERVICETSUNAMI_JWT_ISSUER and SERVICETSUNAMI_JWT_AUDIENCE.",
        )
    return JwtVerifier(
        keys,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        tenant_claim=settings.jwt_tenant_claim,
    )


def _keys(settings: Settings) -> "Keys | None":
    from servicetsunami.transport.jwks import KeySet  # noqa: PLC0415 - not without auth
    from servicetsunami.transport.tokens import SharedSecret  # noqa: PLC0415

    secret, where = settings.jwt_secret, settings.jwt_keys
    if secret is not None and where:
        raise ConfigurationError(
            "Tokens cannot be signed both with a secret and with an issuer's keys.",
            "Unset SERVICETSUNAMI_JWT_SECRET or SERVICETSUNAMI_JWT_KEYS.",
        )
    if secret is not None:
        if len(secret.get_secret_value().encode()) < _SECRET_BYTES_MIN:
            raise ConfigurationError(
                f"The secret for tokens has less than {_SECRET_BYTES_MIN} bytes.",
                "Make a longer one, such as with `openssl rand -base64 32`.",
            )
        return SharedSecret(secret.get_secret_value())
    return KeySet(_fetch(where)) if where else None


def _fetch(where: str) -> Callable[[], Awaitable[bytes]]:
    """Bring the keys from their address, or from a file."""
    address = urlsplit(where)
    if address.scheme == "https" or (
        address.scheme == "http" and is_loopback(address.hostname or "")
    ):
        return partial(_download, where)
    if address.scheme:
        raise ConfigurationError(
            "The keys for tokens would come over a connection that anybody could change.",
            "Set SERVICETSUNAMI_JWT_KEYS to an https address, or to a file.",
        )
    return partial(_read, Path(where))


async def _download(url: str) -> bytes:
    # Only with an issuer.
    import httpx  # noqa: PLC0415

    from servicetsunami.gateway.authorities import authorities  # noqa: PLC0415

    tls = await to_thread.run_sync(authorities)
    text = bytearray()
    try:
        async with (
            httpx.AsyncClient(verify=tls, timeout=_KEYS_TIMEOUT_S) as client,
            client.stream("GET", url) as response,
        ):
            response.raise_for_status()
            async for part in response.aiter_bytes():
                text += part
                if len(text) > _KEYS_BYTES_MAX:
                    raise RemoteUnavailable(
                        "The issuer's keys are too long.", "Look at the address."
                    )
    except httpx.HTTPError as error:
        raise RemoteUnavailable(f"The issuer's keys could not be had: {error}.", "") from error
    return bytes(text)


async def _read(file: Path) -> bytes:
    try:
        return await to_thread.run_sync(file.read_bytes)
    except OSError as error:
        raise ConfigurationError(f"The issuer's keys cannot be read: {error}.", _CORRECT) from error
