"""What a credential proves, and API keys as they are kept."""

from dataclasses import dataclass
from datetime import datetime

from servicetsunami.domain.caller import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a credential stands for; `issuer` keeps equal subjects of two origins apart."""

    tenant: str
    subject: str
    issuer: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key without its secret, of which only a hash exists."""

    id: str
    tenant: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        """Whether it opens anything at that moment."""
        return self.revoked_at is None and at < self.expires_at
