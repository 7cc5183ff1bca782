"""Judges JWTs: genuine, for this server, in force, and whose."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import jwt
from jwt.utils import base64url_decode, base64url_encode

from servicetsunami.domain.caller import Scope
from servicetsunami.domain.identity import Identity
from servicetsunami.domain.tenant import is_tenant_name
from servicetsunami.errors import Unauthenticated

_REQUIRED: Final = ["exp", "aud", "iss", "sub"]
_LEEWAY_S: Final = 10
_SUBJECT_CHARS_MAX: Final = 255
_REMEMBERED_S: Final = 60.0
_REMEMBERED_TOKENS: Final = 2_000
_SCOPE_CLAIMS: Final = ("scope", "scp", "scopes")
"""As RFC 9068 has it, and as others write it."""
_GET_ONE: Final = "Get a new token for this server, and send it as `Authorization: Bearer …`."


class Keys(Protocol):
    """Knows the keys that tokens are signed with."""

    async def find(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        """The key for a token of this header; raises Unauthenticated where there is none."""
        ...


class SharedSecret:
    """One secret for HS256, which issuer and server share."""

    def __init__(self, secret: str) -> None:
        encoded = base64url_encode(secret.encode()).decode()
        self._key = jwt.PyJWK({"kty": "oct", "k": encoded}, "HS256")

    async def find(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        """The secret, whatever the header says: PyJWT refuses another algorithm."""
        del header
        return self._key


class JwtVerifier:
    """Takes tokens of one issuer for one audience.

    A token that was found genuine is for the next minute, while it is in force: a client sends the
    same one with each call, and its key is kept for longer than that.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        tenant_claim: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._tenant_claim = tenant_claim
        self._now = now
        self._genuine: dict[bytes, tuple[Identity, float]] = {}
        """By the digest of the token, each with the time until which it is remembered."""

    async def identity(self, token: str) -> Identity:
        """Who the token stands for; raises Unauthenticated."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        identity, until = self._genuine.get(digest, (None, 0.0))
        if identity is not None and self._now() < until:
            return identity
        claims = await self._claims(token)
        identity = Identity(
            tenant=_tenant(claims, self._tenant_claim),
            subject=_subject(claims),
            issuer=self._issuer,
            scopes=_scopes(claims),
        )
        if len(self._genuine) >= _REMEMBERED_TOKENS:
            self._genuine.clear()
        until = min(self._now() + _REMEMBERED_S, int(claims["exp"]) + _LEEWAY_S)
        self._genuine[digest] = identity, until
        return identity

    async def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            key = await self._keys.find(jwt.get_unverified_header(token))
            return jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_S,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            # The reason goes to the log only: it would help nobody but a forger.
            raise Unauthenticated("The token is not valid.", _GET_ONE) from error


def tenant_claimed(credential: bytes, path: str) -> bytes:
    """The tenant that a JWT says it is of, genuine or not; empty for what names none."""
    try:
        _, claims, _ = credential.split(b".")
        return _tenant(json.loads(base64url_decode(claims)), path).encode()
    except (Unauthenticated, ValueError, AttributeError, RecursionError):
        return b""


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if not subject or len(subject) > _SUBJECT_CHARS_MAX or not subject.isprintable():
        raise Unauthenticated("The token's subject is not usable.", _GET_ONE)
    return subject


def _tenant(claims: Mapping[str, Any], path: str) -> str:
    """The tenant at the path: a claim of that name, else one inside of others, such as org.id."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, str) or not is_tenant_name(found):
        raise Unauthenticated("The token names no tenant that could be served.", _GET_ONE)
    return found


def _scopes(claims: Mapping[str, Any]) -> frozenset[Scope]:
    """What of ours the token allows; scopes of other servers are not ours to judge."""
    given = next((claims[name] for name in _SCOPE_CLAIMS if name in claims), [])
    words = given.split() if isinstance(given, str) else given
    return frozenset(scope for scope in Scope if isinstance(words, list) and scope in words)
