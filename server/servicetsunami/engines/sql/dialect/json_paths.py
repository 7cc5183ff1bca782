"""Paths into JSON text and VARIANT values."""

import re
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect.env import Env
from servicetsunami.engines.sql.dialect.expr import Expr, fill, quoted
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import STRING, VARIANT, Kind

_STEP: Final = re.compile(
    r"\.(?P<key>[^.\[\]'\"*]+)|\[(?P<index>\d+)\]|\[['\"](?P<quoted>[^'\"]*)['\"]\]"
)


def pointer(path: str) -> str:
    """Turn `$.a[0]['b c']` into the JSON path that DuckDB reads; refuses wildcards."""
    if not path.startswith("$"):
        raise refused(f"The JSON path {path!r}", "Start the path with $.")
    at, out = 1, ["$"]
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise refused(f"The JSON path {path!r}", "Use only .key, ['key'] and [0] in the path.")
        at = step.end()
        if step["index"] is not None:
            out.append(f"[{step['index']}]")
        else:
            key = step["key"] if step["key"] is not None else step["quoted"]
            if '"' in key or "\\" in key:
                raise refused(f"The JSON path {path!r}", "Keys with quotes cannot be used.")
            out.append(f'."{key}"')
    return "".join(out)


def _step(node: exp.Expression) -> str:
    if isinstance(node, exp.JSONPathKey) and isinstance(node.this, str) and '"' not in node.this:
        return f'."{node.this}"'
    if isinstance(node, exp.JSONPathSubscript) and isinstance(node.this, int):
        return f"[{node.this}]"
    raise refused("A wildcard in a path after a colon", "Name each key, or use from_json.")


def colon(env: Env, node: exp.Expression) -> Expr:
    """Compile `column:path`; JSON text gives text, a VARIANT gives a VARIANT."""
    base = env.compile(node.this)
    steps = node.expression.expressions[1:] if isinstance(node.expression, exp.JSONPath) else None
    if not steps:
        raise refused("This path after a colon", "Write column:key[0].key.")
    path = "$" + "".join(map(_step, steps))
    last = next((str(s.this) for s in reversed(steps) if isinstance(s, exp.JSONPathKey)), "value")
    return extract(base, path).named(last)


def extract(base: Expr, path: str) -> Expr:
    """Read a path of JSON text or of a VARIANT."""
    steps = Expr(quoted(path), STRING, path)
    if base.type.kind is Kind.VARIANT:
        return fill("json_extract({0}, {1})", VARIANT, [base, steps])
    if base.type.kind is not Kind.STRING:
        raise mismatch(f"A path after a colon needs a string or a VARIANT, not {base.type}")
    found = fill("s_json({0}, {1})", STRING, [base, steps], uses=3)
    if path != "$":
        return found
    # The whole document may be null, which is then the text `null`.
    return fill("CASE WHEN trim({0}) = 'null' THEN 'null' ELSE {1} END", STRING, [base, found])
