"""What a call cost, in counts that can be added up."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """One tool call: who, what, how much, how long."""

    tenant: str
    subject: str
    tool: str
    ok: bool
    rows: int
    size_bytes: int
    seconds: float
    created_at: datetime
    tokens: int = 0
