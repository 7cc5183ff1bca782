"""Owns who may come in: the tenants that are served, and their API keys."""

import hashlib
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from servicetsunami.domain.caller import Scope
from servicetsunami.domain.identity import ApiKey, Identity
from servicetsunami.domain.tenant import tenant_name
from servicetsunami.errors import Denied, InvalidInput, NotFound, Unauthenticated
from servicetsunami.stores.metadata import Metadata

_KEY_PREFIX: Final = "st_"
"""Tells a key from a token, and lets scanners find keys that were published by mistake."""
_KEY_BYTES: Final = 32
_NAME_CHARS_MAX: Final = 100
_DAYS_MAX: Final = 3_650
_ISSUER: Final = "api-keys"


class Identities:
    """Creates, finds and revokes keys; says which tenants are served.

    `on_first_use` has a tenant served as soon as a genuine token names it, instead of when an
    administrator has added it.
    """

    def __init__(
        self,
        *,
        metadata: Metadata,
        on_first_use: bool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._metadata = metadata
        self._on_first_use = on_first_use
        self._now = now
        self._served: set[str] = set()

    async def create_key(
        self, tenant: str, name: str, *, scopes: Iterable[str], days: int
    ) -> tuple[ApiKey, str]:
        """Make a key for a tenant, and the tenant where it is new: the record, and the key.

        The key itself is kept nowhere. Raises InvalidInput for a name, scope or time that is none.
        """
        if not name.strip() or len(name) > _NAME_CHARS_MAX or not name.isprintable():
            raise InvalidInput("The name of a key is a line of text.", "Name what it is for.")
        if not 1 <= days <= _DAYS_MAX:
            raise InvalidInput(
                f"A key cannot be valid for {days} days.", f"Give 1 to {_DAYS_MAX} days."
            )
        created_at = self._now()
        key = ApiKey(
            id=uuid4().hex[:12],
            tenant=tenant_name(tenant),
            name=name,
            scopes=_scopes(scopes),
            created_at=created_at,
            expires_at=created_at + timedelta(days=days),
        )
        secret = _KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
        async with self._metadata.begin() as transaction:
            await transaction.api_keys.add(key, sha256=_sha256(secret))
        return key, secret

    async def keys(self, tenant: str | None) -> tuple[ApiKey, ...]:
        """The keys of a tenant, or all of them, with those that open nothing any more."""
        async with self._metadata.read() as transaction:
            return await transaction.api_keys.list(tenant)

    async def revoke_key(self, key_id: str) -> None:
        """End a key at once, in all servers; raises NotFound."""
        async with self._metadata.begin() as transaction:
            was_valid = await transaction.api_keys.revoke(key_id, at=self._now())
        if not was_valid:
            raise NotFound(
                f"No valid key has the id {key_id!r}.", "`servicetsunami token list` shows all."
            )

    def is_key(self, credential: str) -> bool:
        """Whether it looks like one of our keys, rather than like a token."""
        return credential.startswith(_KEY_PREFIX)

    async def key_identity(self, secret: str) -> Identity:
        """Who a key stands for; raises Unauthenticated for one that is unknown or over."""
        async with self._metadata.read() as transaction:
            key = await transaction.api_keys.find(_sha256(secret))
        if key is None or not key.is_valid(self._now()):
            raise Unauthenticated("The API key is not valid.", "Ask for a new one.")
        return Identity(tenant=key.tenant, subject=key.id, issuer=_ISSUER, scopes=key.scopes)

    async def add_tenant(self, tenant: str) -> None:
        """Have a tenant served; nothing changes for one that is."""
        async with self._metadata.begin() as transaction:
            await transaction.tenants.ensure(tenant_name(tenant), at=self._now())

    async def tenants(self) -> tuple[str, ...]:
        """All tenants that are served."""
        async with self._metadata.read() as transaction:
            return await transaction.tenants.list()

    async def admit(self, tenant: str) -> None:
        """Let a tenant in whose credential is genuine; raises Denied for one that is not served."""
        if tenant in self._served:
            return
        async with self._metadata.read() as transaction:
            is_served = await transaction.tenants.exists(tenant)
        if not is_served and not self._on_first_use:
            raise Denied(
                f"The tenant {tenant!r} is not served here.", "An administrator has to add it."
            )
        if not is_served:
            await self.add_tenant(tenant)
        self._served.add(tenant)

    async def check(self) -> None:
        """Raise ServerError where the metadata database cannot be read."""
        async with self._metadata.read() as transaction:
            await transaction.tenants.exists("")


def _scopes(given: Iterable[str]) -> frozenset[Scope]:
    words = set(given)
    unknown = words - set(Scope)
    if unknown or not words:
        raise InvalidInput(
            f"These are no scopes: {', '.join(sorted(unknown)) or '(none)'}.",
            f"Choose among {', '.join(Scope)}.",
        )
    return frozenset(Scope(word) for word in words)


def _sha256(secret: str) -> str:
    # No slow hash, which is for passwords: nobody guesses 32 random bytes.
    return hashlib.sha256(secret.encode()).hexdigest()
