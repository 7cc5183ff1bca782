"""How a run ends."""

from dataclasses import dataclass

from servicetsunami.domain.run import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The last word on a run; `error` says why, unless it ended well."""

    state: RunState
    exit_value: str | None = None
    error: str | None = None
