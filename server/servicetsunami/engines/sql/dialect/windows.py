"""Windows: OVER (…), named windows, frames."""

from collections.abc import Sequence

from sqlglot import exp

from servicetsunami.engines.sql.dialect.env import Env
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.dialect.sort_keys import sort_key
from servicetsunami.errors import InvalidInput


def of(env: Env, node: exp.Window) -> exp.Window:
    """Give the definition of a window, following a name in the WINDOW clause."""
    alias = node.args.get("alias")
    if alias is None:
        return node
    name = str(alias.name).lower()
    if name not in env.windows:
        raise InvalidInput(
            f"[MISSING_WINDOW_SPECIFICATION] No window is named {name!r}.",
            "Define it in a WINDOW clause.",
        )
    if node.args.get("order") or node.args.get("partition_by") or node.args.get("spec"):
        raise refused("A window that extends a named one", "Write the whole window out.")
    return env.windows[name]


def ordering(env: Env, listed: Sequence[exp.Expression]) -> str:
    """Write ORDER BY items; NULL comes first in ascending order, as in Databricks."""
    return ", ".join(order_item(sort_key(env.compile(item.this)).sql, item) for item in listed)


def order_item(sql: str, item: exp.Expression) -> str:
    """Write one ORDER BY item with its direction and its place for NULL spelt out."""
    direction = "DESC" if item.args.get("desc") else "ASC"
    nulls = "FIRST" if item.args.get("nulls_first") else "LAST"
    return f"{sql} {direction} NULLS {nulls}"


def over(env: Env, window: exp.Window) -> str:
    """Write the OVER clause."""
    parts = []
    by = window.args.get("partition_by") or []
    if by:
        parts.append("PARTITION BY " + ", ".join(env.compile(item).sql for item in by))
    order = window.args.get("order")
    if order is not None:
        parts.append("ORDER BY " + ordering(env, order.expressions))
    spec = window.args.get("spec")
    if spec is not None:
        parts.append(_frame(env, spec))
    return f"OVER ({' '.join(parts)})"


def _frame(env: Env, spec: exp.Expression) -> str:
    kind = str(spec.args.get("kind") or "ROWS")
    if spec.args.get("exclude"):
        raise refused("EXCLUDE in a window frame", "Leave it out.")
    backwards = (spec.args["start"], spec.args.get("end_side")) == ("CURRENT ROW", "PRECEDING")
    if backwards or (spec.args.get("start_side"), spec.args.get("end")) == (
        "FOLLOWING",
        "CURRENT ROW",
    ):
        raise refused("A window frame that ends before it starts", "Turn its bounds round.")
    start = _bound(env, spec, "start")
    if spec.args.get("end") is None:
        return f"{kind} {start}"
    return f"{kind} BETWEEN {start} AND {_bound(env, spec, 'end')}"


def _bound(env: Env, spec: exp.Expression, which: str) -> str:
    value, side = spec.args[which], spec.args.get(f"{which}_side")
    if value == "CURRENT ROW":
        return "CURRENT ROW"
    if value == "UNBOUNDED":
        return f"UNBOUNDED {side}"
    return f"{env.compile(value).sql} {side}"
