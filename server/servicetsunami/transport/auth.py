"""Who makes a request: the one place where a credential turns into a caller."""

import hashlib
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final, Protocol
from weakref import WeakValueDictionary

import anyio
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers

from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.domain.identity import Identity
from servicetsunami.errors import Denied, Unauthenticated

_CREDENTIAL_CHARS_MAX: Final = 8_192
_GET_ONE: Final = "Send a valid token or API key as `Authorization: Bearer …`."
_CREDENTIAL_HEADERS: Final = frozenset({b"authorization", b"x-api-key"})
_STANDING_S: Final = 1.0


class Standing:
    """What one credential allows while something that it has opened is still open."""

    def __init__(self, ask: Callable[[], Awaitable[frozenset[Scope]]]) -> None:
        self._ask = ask
        self._asked_at = -math.inf
        self._scopes: frozenset[Scope] = frozenset()
        self._asking = anyio.Lock()

    async def scopes(self) -> frozenset[Scope]:
        """What it allows, as of a second ago at most: nothing once it is revoked or expired.

        Raises ServerError where that cannot be told.
        """
        async with self._asking:
            now = time.monotonic()
            if now >= self._asked_at + _STANDING_S:
                self._scopes = await self._ask()
                self._asked_at = now
            return self._scopes


class LakeUser(AuthenticatedUser):
    """The user of a request, with the caller that tools are given.

    The SDK binds a session to client, issuer and subject: another tenant's, another issuer's or
    another subject's session is then unknown.
    """

    def __init__(
        self, identity: Identity, caller: Caller, standing: Standing | None = None
    ) -> None:
        super().__init__(
            AccessToken(
                # The credential itself goes no further than here.
                token="",
                client_id=identity.tenant,
                scopes=sorted(identity.scopes),
                subject=identity.subject,
                claims={"iss": identity.issuer},
            )
        )
        self.caller = caller
        self.standing = standing


def current_caller() -> Caller:
    """Who made the request that is being served; raises Unauthenticated outside of one."""
    user = auth_context_var.get()
    if not isinstance(user, LakeUser):
        raise Unauthenticated("This was not asked by anybody.", _GET_ONE)
    return user.caller


def current_standing() -> Standing | None:
    """The credential of the request that is being served; None where none are asked for."""
    user = auth_context_var.get()
    return user.standing if isinstance(user, LakeUser) else None


class TokenVerifier(Protocol):
    """Knows which JWTs are genuine."""

    async def identity(self, token: str) -> Identity:
        """Who the token stands for; raises Unauthenticated."""
        ...


class Authenticator:
    """Takes API keys and, where tokens are set up, JWTs."""

    def __init__(
        self,
        *,
        key_identity: Callable[[str], Awaitable[Identity]],
        is_key: Callable[[str], bool],
        tokens: TokenVerifier | None,
        admit: Callable[[str], Awaitable[None]],
        caller_of: Callable[[Identity], Caller],
    ) -> None:
        self._key_identity = key_identity
        self._is_key = is_key
        self._tokens = tokens
        self._admit = admit
        self._caller_of = caller_of
        self._standings: WeakValueDictionary[bytes, Standing] = WeakValueDictionary()

    async def user(self, headers: Headers) -> LakeUser:
        """The user that the credential of a request stands for.

        Raises Unauthenticated without a valid one, Denied for a tenant that is not served here.
        """
        credential = _credential(headers)
        identity = await self._identity(credential)
        return LakeUser(identity, self._caller_of(identity), self._standing(credential))

    async def _identity(self, credential: str) -> Identity:
        if self._is_key(credential):
            identity = await self._key_identity(credential)
        elif self._tokens is not None:
            identity = await self._tokens.identity(credential)
        else:
            raise Unauthenticated("The credential is no API key.", _GET_ONE)
        await self._admit(identity.tenant)
        return identity

    def _standing(self, credential: str) -> Standing:
        """One for all that the credential has opened, so that they ask together."""
        key = hashlib.sha256(credential.encode()).digest()
        standing = self._standings.get(key)
        if standing is None:
            standing = self._standings[key] = Standing(partial(self._scopes_now, credential))
        return standing

    async def _scopes_now(self, credential: str) -> frozenset[Scope]:
        try:
            return (await self._identity(credential)).scopes
        except (Unauthenticated, Denied):
            return frozenset()


def presented(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """All that raw headers present as a credential, unread; empty where they present none."""
    return b"\n".join(value for name, value in headers if name in _CREDENTIAL_HEADERS)


def _credential(headers: Headers) -> str:
    """The one credential of a request, in whichever header it stands."""
    given = headers.getlist("authorization") + [
        f"Bearer {key}" for key in headers.getlist("x-api-key")
    ]
    if len(given) != 1:
        what = "more than one credential" if given else "no credential"
        raise Unauthenticated(f"The request has {what}.", _GET_ONE)
    scheme, _, credential = given[0].partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential or len(credential) > _CREDENTIAL_CHARS_MAX:
        raise Unauthenticated("The credential cannot be read.", _GET_ONE)
    return credential
