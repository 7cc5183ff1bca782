"""What is the same for assets of every kind: a page of them, and the word that deletes one."""

from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import InvalidInput
from servicetsunami.services.answers import AssetAnswer, AssetsAnswer

PAGE_ITEMS: Final = 50
FETCHED_ITEMS: Final = PAGE_ITEMS + 1
"""One more than a page shows is how we learn that there are more."""


class _Named(Protocol):
    @property
    def name(self) -> object: ...


def asset_page(
    caller: Caller,
    found: Sequence[_Named],
    lines: Sequence[AssetAnswer],
    *,
    total: int,
    nothing: str,
    **elsewhere: Any,  # noqa: ANN401 - members of the answer
) -> AssetsAnswer:
    """A page of what was found in the order of its names; `nothing` says what to do without any.

    `found` may have one more than `lines` show. The cursor is the last name of the page.
    """
    is_more = len(found) > PAGE_ITEMS
    return AssetsAnswer(
        assets=list(lines),
        total=total,
        truncated=is_more,
        cursor=str(found[PAGE_ITEMS - 1].name) if is_more else None,
        catalog=caller.catalog,
        next=None if lines else nothing,
        **elsewhere,
    )


def check_confirmed(name: str, confirm: str, *, also: Collection[str] = ()) -> None:
    """Raise InvalidInput unless a deletion was confirmed by the name, or another form of it."""
    if not confirm or confirm not in {name, *also}:
        raise InvalidInput(
            f"Nothing was deleted: `confirm` is not the name {name!r}.",
            "Ask the user whether it may go, then repeat its name in `confirm`.",
        )
