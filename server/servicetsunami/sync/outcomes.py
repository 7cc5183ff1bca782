"""How delivering an item may end that is neither a success nor a failure."""


class LeaseLost(Exception):
    """Somebody else has the item now: whatever is still to do is theirs."""
