"""Who makes a request: the one place where a credential turns into a caller."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.identity import Identity
from servicetsunami.errors import Unauthenticated

_CREDENTIAL_CHARS_MAX: Final = 8_192
_GET_ONE: Final = "Send a valid token or API key as `Authorization: Bearer …`."


class LakeUser(AuthenticatedUser):
    """The user of a request, with the caller that tools are given.

    The SDK binds a session to client, issuer and subject: another tenant's, another issuer's or
    another subject's session is then unknown.
    """

    def __init__(self, identity: Identity, caller: Caller) -> None:
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


def current_caller() -> Caller:
    """Who made the request that is being served; raises Unauthenticated outside of one."""
    user = auth_context_var.get()
    if not isinstance(user, LakeUser):
        raise Unauthenticated("This was not asked by anybody.", _GET_ONE)
    return user.caller


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

    async def user(self, headers: Headers) -> LakeUser:
        """The user that the credential of a request stands for.

        Raises Unauthenticated without a valid one, Denied for a tenant that is not served here.
        """
        credential = _credential(headers)
        if self._is_key(credential):
            identity = await self._key_identity(credential)
        elif self._tokens is not None:
            identity = await self._tokens.identity(credential)
        else:
            raise Unauthenticated("The credential is no API key.", _GET_ONE)
        await self._admit(identity.tenant)
        return LakeUser(identity, self._caller_of(identity))


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
