"""Puts operators in Databricks' order of precedence, where the parser has another.

In Databricks `||` binds as + and - do; then come shifts, &, ^ and |, each on a level of its own.
The parser reads all of them on one level below + and -.
"""

from collections.abc import Sequence
from typing import Final

from sqlglot import exp

_Operator = type[exp.Expression]

_LEVELS: Final[Sequence[tuple[_Operator, ...]]] = (
    (exp.DPipe,),
    (exp.BitwiseLeftShift, exp.BitwiseRightShift),
    (exp.BitwiseAnd,),
    (exp.BitwiseXor,),
    (exp.BitwiseOr,),
)
_CHAINED: Final = tuple(operator for level in _LEVELS for operator in level)


def rebalanced(tree: exp.Expression) -> exp.Expression:
    """Give the tree with the operators of each chain regrouped."""
    for node in list(tree.find_all(*_CHAINED)):
        if isinstance(node.parent, _CHAINED) and node.arg_key == "this":
            continue
        new = _regrouped(node)
        if node is tree:
            tree = new
        elif new is not node:
            node.replace(new)
    return tree


def _regrouped(root: exp.Expression) -> exp.Expression:
    links: list[exp.Expression] = []
    node = root
    while isinstance(node, _CHAINED):
        links.append(node)
        node = node.this
    if len({type(link) for link in links}) == 1 and not _adds(links):
        return root
    operands = [node, *(link.expression for link in reversed(links))]
    operators: list[exp.Expression] = list(reversed(links))
    for level in _LEVELS:
        operands, operators = _folded(level, operands, operators)
    return operands[0]


def _adds(links: Sequence[exp.Expression]) -> bool:
    return any(
        isinstance(link, exp.DPipe) and isinstance(link.expression, exp.Add | exp.Sub)
        for link in links
    )


def _folded(
    level: tuple[_Operator, ...],
    operands: list[exp.Expression],
    operators: list[exp.Expression],
) -> tuple[list[exp.Expression], list[exp.Expression]]:
    left, waiting = [operands[0]], []
    for operator, right in zip(operators, operands[1:], strict=True):
        if isinstance(operator, level):
            left[-1] = _joined(operator, left[-1], right)
        else:
            left.append(right)
            waiting.append(operator)
    return left, waiting


def _joined(
    operator: exp.Expression, left: exp.Expression, right: exp.Expression
) -> exp.Expression:
    """Join two operands; `a || b + c` is `(a || b) + c`."""
    args = {key: value for key, value in operator.args.items() if key not in {"this", "expression"}}
    if isinstance(operator, exp.DPipe) and isinstance(right, exp.Add | exp.Sub):
        inner = _joined(operator, left, right.this)
        return type(right)(this=inner, expression=right.expression)
    return type(operator)(this=left, expression=right, **args)
