"""GROUP BY: expressions, positions, aliases, ALL, ROLLUP, CUBE and GROUPING SETS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from servicetsunami.engines.sql.dialect.expr import Expr, Trait
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    from servicetsunami.engines.sql.dialect.selects import Block


def keys(block: Block, group: exp.Expression | None, output: Mapping[str, Expr]) -> str:
    """Write the GROUP BY clause."""
    if group is None:
        return ""
    if group.args.get("all"):
        return _all(block)
    return _Keys(block, output).clause(group)


def _all(block: Block) -> str:
    found = []
    for item in block.items:
        if Trait.AGGREGATE in item.expr.traits:
            continue
        if Trait.WINDOW in item.expr.traits:
            raise refused("GROUP BY ALL with a window function", "List the keys.")
        found.append(_guarded(item.expr))
    return ", ".join(found) or "()"


def _guarded(expr: Expr) -> str:
    # A bare number would be read as a position.
    return f"coalesce({expr.sql})" if expr.constant is not None else expr.sql


class _Keys:
    def __init__(self, block: Block, output: Mapping[str, Expr]) -> None:
        self._block = block
        self._env = replace(block.env, aliases=output)

    def clause(self, group: exp.Expression) -> str:
        listed = [self._element(node) for node in group.expressions]
        for part in ("rollup", "cube", "grouping_sets"):
            for node in group.args.get(part) or ():
                listed = self._trailing(part, node, listed)
        return ", ".join(listed)

    def _trailing(self, part: str, node: exp.Expression, listed: list[str]) -> list[str]:
        """Read `a, b WITH ROLLUP`, or a GROUPING SETS list that stands apart."""
        if node.expressions:
            return [*listed, self._element(node)]
        return [f"{part.upper()} ({', '.join(listed)})"]

    def _element(self, node: exp.Expression) -> str:
        if isinstance(node, exp.Rollup | exp.Cube):
            word = type(node).__name__.upper()
            return f"{word} ({', '.join(map(self._set, node.expressions))})"
        if isinstance(node, exp.GroupingSets):
            return f"GROUPING SETS ({', '.join(map(self._nested, node.expressions))})"
        return self._one(node)

    def _nested(self, node: exp.Expression) -> str:
        if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets):
            return self._element(node)
        return self._set(node)

    def _set(self, node: exp.Expression) -> str:
        if isinstance(node, exp.Tuple):
            return f"({', '.join(map(self._one, node.expressions))})"
        return self._one(node)

    def _one(self, node: exp.Expression) -> str:
        if isinstance(node, exp.Paren):
            return self._one(node.this)
        if isinstance(node, exp.Literal) and not node.is_string:
            return _guarded(self._position(str(node.this)))
        found = self._env.compile(node)
        if Trait.SUBQUERY in found.traits:
            raise refused("GROUP BY a subquery", "Compute it in an inner query.")
        if Trait.AGGREGATE in found.traits:
            raise InvalidInput(
                "[GROUP_BY_AGGREGATE] GROUP BY cannot contain an aggregate.",
                "Group by columns, and use HAVING to filter aggregates.",
            )
        return _guarded(found)

    def _position(self, text: str) -> Expr:
        items = self._block.items
        if not text.isdecimal() or not 1 <= int(text) <= len(items):
            raise InvalidInput(
                f"[GROUP_BY_POS_OUT_OF_RANGE] There is no column {text} in SELECT.",
                f"Use a position from 1 to {len(items)}.",
            )
        found = items[int(text) - 1].expr
        if Trait.AGGREGATE in found.traits:
            raise InvalidInput(
                f"[GROUP_BY_POS_AGGREGATE] Column {text} is an aggregate.", "Group by another."
            )
        return found
