"""ORDER BY, LIMIT and OFFSET."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import is_integral
from servicetsunami.engines.sql.dialect.expr import Expr, Trait
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.dialect.sort_keys import is_nested, sort_key
from servicetsunami.engines.sql.dialect.windows import order_item
from servicetsunami.engines.sql.types import BIGINT, Kind
from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    from servicetsunami.engines.sql.dialect.selects import Block


def finish(block: Block, node: exp.Expression) -> None:
    """Add the order and the limits of a query to a block."""
    order = node.args.get("order") or node.args.get("sort")
    if order is not None:
        block.order = ", ".join(_item(block, item) for item in order.expressions) or "1"
    block.limit = " ".join(
        filter(None, (_limit(block, node, "limit"), _limit(block, node, "offset")))
    )


def _item(block: Block, item: exp.Expression) -> str:
    inner = item.this
    if isinstance(inner, exp.Var) and str(inner.this).upper() == "ALL":
        return ", ".join(_by_place(block, n, item) for n, _ in enumerate(block.items, 1))
    if isinstance(inner, exp.Neg) and isinstance(inner.this, exp.Literal):
        _position(block, f"-{inner.this.name}")
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return _by_place(block, int(_position(block, str(inner.this))), item)
    output = {i.name.lower(): i.expr for i in reversed(block.items)}
    # After DISTINCT there are only the columns of SELECT.
    seen = () if block.distinct else block.env.columns
    inside = replace(block.env, aliases=output, aliases_first=True, columns=seen)
    found = inside.compile(inner)
    for place, chosen in enumerate(block.items, 1):
        if chosen.expr.sql == found.sql:
            return _by_place(block, place, item)
    return order_item(_computed(block, found), item)


def _computed(block: Block, found: Expr) -> str:
    if found.type.kind is Kind.MAP:
        raise mismatch("ORDER BY cannot sort maps")
    if block.distinct:
        raise refused("DISTINCT ordered by an expression", "Order in an outer query.")
    if {Trait.WINDOW, Trait.SUBQUERY} & set(found.traits):
        raise refused("ORDER BY a window function or a subquery", "Name it in SELECT.")
    return _not_a_position(sort_key(found))


def _by_place(block: Block, place: int, item: exp.Expression) -> str:
    found = block.items[place - 1].expr
    if not is_nested(found.type):
        return order_item(str(place), item)
    if block.distinct:
        raise refused("SELECT DISTINCT ordered by a nested value", "Order in an outer query.")
    return order_item(sort_key(found).sql, item)


def _not_a_position(found: Expr) -> str:
    return f"coalesce({found.sql})" if found.constant is not None else found.sql


def _position(block: Block, text: str) -> str:
    if not text.isdecimal() or not 1 <= int(text) <= len(block.items):
        raise InvalidInput(
            f"[ORDER_BY_POS_OUT_OF_RANGE] There is no column {text} in SELECT.",
            f"Use a position from 1 to {len(block.items)}.",
        )
    return text


def _limit(block: Block, node: exp.Expression, word: str) -> str:
    limit = node.args.get(word)
    if limit is None or isinstance(limit.expression, exp.Var):
        return ""
    inside = replace(block.env, columns=(), aliases={})
    count = inside.compile(limit.expression)
    if not is_integral(count.type):
        raise mismatch(f"{word.upper()} needs a whole number, not {count.type}")
    value = count.constant.value if count.constant is not None else None
    if isinstance(value, int) and value < 0:
        raise InvalidInput(
            f"[INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE] {word.upper()} {value} is negative.",
            "Use 0 or more.",
        )
    return f"{word.upper()} ({cast(count, BIGINT).sql})"
