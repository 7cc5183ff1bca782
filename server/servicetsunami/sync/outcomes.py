"""How delivering an item may end that is neither a success nor a failure."""


class LeaseLost(Exception):
    """Somebody else has the item now: whatever is still to do is theirs."""


class NotYet(Exception):
    """Databricks is at it, and needs no help: look again after `again_s`, which is no attempt."""

    def __init__(self, what: str, *, again_s: float) -> None:
        super().__init__(what)
        self.again_s = again_s
