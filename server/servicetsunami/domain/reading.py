"""A figure of the server at a moment, for whoever watches it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One figure as it stands, with its name, what it means, and its labels.

    `is_count` says that it only ever grows while the server runs.
    """

    name: str
    meaning: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    is_count: bool = False
