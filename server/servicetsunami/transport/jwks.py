"""The public keys of an issuer: kept for an hour, and looked up anew when one is missing."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import anyio
import jwt

from servicetsunami.errors import (
    ConfigurationError,
    RemoteUnavailable,
    ServerError,
    Unauthenticated,
)

_log = logging.getLogger(__name__)

_KEPT_S: Final = 3_600.0
_REFRESH_PAUSE_S: Final = 30.0
_KEYS_MAX: Final = 100
_ALGORITHMS: Final = {
    "RSA": "RS256",
    "EC P-256": "ES256",
    "OKP Ed25519": "EdDSA",
}
"""The one algorithm for each kind of key; a token that names another is refused."""


class KeySet:
    """Keys from a JWKS; `fetch` brings it, whether from a URL or a file."""

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._now = now
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching = anyio.Lock()

    async def find(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        """The key that the header names, or the only one there is where it names none.

        Raises Unauthenticated for an unknown one, RemoteUnavailable while there are none at all.
        """
        kid = header.get("kid")
        if not self._is_fresh() or self._choose(kid) is None:
            await self._refresh()
        key = self._choose(kid)
        if key is None and self._fetched_at is None:
            raise RemoteUnavailable("The keys for tokens could not be looked up.", "Try later.")
        if key is None:
            raise Unauthenticated("The token is signed with an unknown key.", "Get a new token.")
        return key

    def _choose(self, kid: object) -> jwt.PyJWK | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid) if isinstance(kid, str) else None

    def _is_fresh(self) -> bool:
        return self._fetched_at is not None and self._now() < self._fetched_at + _KEPT_S

    async def _refresh(self) -> None:
        """Look once more, but not again and again for tokens that name keys at random.

        Where that fails, the keys that were known stay good: an issuer that is away must not
        lock everybody out.
        """
        async with self._fetching:
            if self._tried_at is not None and self._now() < self._tried_at + _REFRESH_PAUSE_S:
                return
            self._tried_at = self._now()
            try:
                self._keys = _usable(await self._fetch())
                self._fetched_at = self._now()
            except ServerError as error:
                _log.warning("the keys for tokens could not be looked up: %s", error)


def _usable(text: bytes) -> dict[str | None, jwt.PyJWK]:
    """The keys that sign tokens; what is symmetric, for encryption or unknown is left out."""
    keys: dict[str | None, jwt.PyJWK] = {}
    for entry in _entries(text)[:_KEYS_MAX]:
        algorithm = _ALGORITHMS.get(f"{entry.get('kty')} {entry.get('crv', '')}".strip())
        if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
            continue
        try:
            key = jwt.PyJWK(entry, algorithm) if algorithm else None
        except jwt.PyJWTError as error:
            _log.warning("a key for tokens is not usable: %s", error)
            continue
        if key is not None:
            keys[key.key_id if isinstance(key.key_id, str) else None] = key
    return keys


def _entries(text: bytes) -> list[dict[str, Any]]:
    try:
        return [entry for entry in json.loads(text)["keys"] if isinstance(entry, dict)]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigurationError(
            "What SERVICETSUNAMI_JWT_KEYS leads to is no JWKS.", "Correct the address or the file."
        ) from error
