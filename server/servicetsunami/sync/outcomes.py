"""How delivering items may end, one of them and many."""

from dataclasses import dataclass


class LeaseLost(Exception):
    """Somebody else has the item now: whatever is still to do is theirs."""


@dataclass(slots=True)
class Batch:
    """What became of the items that were claimed; `unavailable` is what ended it early.

    Those that are held wait for a budget.
    """

    done: int = 0
    retried: int = 0
    held: int = 0
    parked: int = 0
    lost: int = 0
    unavailable: str | None = None

    @property
    def claimed(self) -> int:
        """How many items there were."""
        return self.done + self.retried + self.held + self.parked + self.lost

    def count(self, what: str, *, is_mine: bool) -> None:
        """Count one more, which is lost unless it was still ours."""
        name = what if is_mine else "lost"
        setattr(self, name, getattr(self, name) + 1)
