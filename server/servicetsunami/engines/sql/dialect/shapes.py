"""The syntax on the allow-list: kinds of node, and the parts of each that are understood.

A part that nobody reads would change the meaning of a statement in silence; so whatever is not
listed here is refused before anything is compiled.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.errors import InvalidInput

_PAIR: Final = "this expression"
_QUERY: Final = "with_ order limit offset sort"
_SHAPES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        name: frozenset(parts.split())
        for names, parts in (
            ("Add Sub Mul Div Mod IntDiv EQ NEQ LT LTE GT GTE NullSafeEQ NullSafeNEQ", _PAIR),
            (
                "BitwiseLeftShift BitwiseRightShift And Or BitwiseAnd BitwiseOr BitwiseXor Dot "
                "Escape Is RegexpLike",
                _PAIR,
            ),
            ("Filter WithinGroup IntervalSpan Extract", _PAIR),
            ("Not Neg Paren BitwiseNot All Any Boolean Where Having Qualify From Exists", "this"),
            ("IgnoreNulls RespectNulls HexString RawString Var Placeholder DataTypeParam", "this"),
            (
                "Tuple Concat Distinct Cube Rollup GroupingSets Order Sort Cluster",
                "this expressions",
            ),
            ("Distribute JSONPath Hint", "expressions"),
            ("Null CurrentDate CurrentTimestamp JSONPathRoot", ""),
            ("Like ILike", f"{_PAIR} negate"),
            ("DPipe", f"{_PAIR} safe"),
            ("Alias PivotAlias", "this alias"),
            ("Aliases Bracket Lambda Anonymous JoinHint", "this expressions"),
            ("Between", "this low high"),
            ("Case", "this ifs default"),
            ("If", "this true"),
            ("Cast", "this to"),
            ("TryCast", "this to safe"),
            ("Column", "this table db catalog"),
            ("ColumnDef", "this kind"),
            ("CTE", "this alias"),
            ("DataType", "this expressions nested"),
            ("Except Intersect Union", f"{_PAIR} distinct {_QUERY}"),
            ("Group", "all expressions rollup cube grouping_sets"),
            ("Identifier", "this quoted"),
            ("In", "this expressions query"),
            ("Interval", "this unit"),
            ("Join", "this on using kind side method"),
            ("JSONExtract", f"{_PAIR} variant_extract"),
            ("JSONPathKey", "this quoted"),
            ("JSONPathSubscript", "this"),
            ("Lateral", "this alias view outer"),
            ("Limit Offset", "expression"),
            ("Literal", "this is_string"),
            ("Ordered", "this desc nulls_first"),
            ("Overlay", f"{_PAIR} from_ for_"),
            ("Pivot", "expressions fields columns unpivot include_nulls alias pivot_column_naming"),
            (
                "Select",
                "expressions from_ joins laterals where group having qualify windows distinct "
                f"distribute cluster hint {_QUERY}",
            ),
            ("Star", "except_"),
            ("StrPosition", "this substr position"),
            ("Subquery", f"this alias pivots sample joins laterals {_QUERY}"),
            ("Substring", "this start length"),
            ("Table", "this db catalog alias version sample pivots joins laterals"),
            ("TableAlias", "this columns"),
            ("TableSample", "percent size seed"),
            ("Trim", "this expression position"),
            ("Values", f"expressions alias pivots {_QUERY}"),
            ("Version", "this expression kind"),
            ("Window", "this partition_by order spec alias over"),
            ("WindowSpec", "kind start start_side end end_side"),
            ("With", "expressions recursive"),
        )
        for name in names.split()
    }
)


def check(tree: exp.Expression) -> None:
    """Refuse the first node, or part of a node, that is not on the list."""
    for node in tree.walk():
        if isinstance(node, exp.Select) and not node.expressions:
            raise InvalidInput(
                "[PARSE_SYNTAX_ERROR] SELECT has no columns.", "Name some, or use *."
            )
        name = type(node).__name__
        known = _SHAPES.get(name)
        if known is None:
            raise refused(f"The construct {name}", "Rephrase the statement without it.")
        for part, value in node.args.items():
            if value and part not in known:
                raise refused(f"The clause {part.upper()} of {name}", "Leave it out.")
