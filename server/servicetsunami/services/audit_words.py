"""Words an operation for the audit record: which assets it names, and what was asked, in short."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final

from servicetsunami.domain.redaction import redacted
from servicetsunami.domain.visible import visible

_NAMES: Final = ("name", "index", "dataset", "notebook", "job", "run_id", "repair_run_id", "uri")
"""Arguments that name an asset."""
_SHOWN: Final = frozenset(
    (*_NAMES, "kind", "mode", "run_on", "action", "confirm", "format", "period", "max_rows")
)
"""Arguments that say what was asked, and carry no rows, texts or code."""
_VALUE_CHARS_MAX: Final = 200
_ASSETS_MAX: Final = 20
_SUMMARY_CHARS_MAX: Final = 1_000
_TABLES: Final = re.compile(
    r"\b(?:from|join|table|into|update)\s+([`\w][`\w.:-]{0,200})", re.IGNORECASE
)
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_.]{0,18}", re.ASCII)
"""Most names are; what is looked through for credentials takes many times as long."""


def assets(arguments: Mapping[str, object]) -> str:
    """The names that were asked for; of SQL, those that stand where tables do."""
    given = [arguments.get(name) for name in _NAMES]
    names = [value for value in given if isinstance(value, str) and value]
    sql = arguments.get("sql")
    if isinstance(sql, str):
        names += _TABLES.findall(sql[:20_000])
    shown = (plain(name).replace(" ", "_") for name in names)
    return " ".join(list(dict.fromkeys(shown))[:_ASSETS_MAX])


def summary(arguments: Mapping[str, object]) -> str:
    """Which arguments there were: short ones that say what was asked, the length of all others.

    The digest at the end tells equal calls from others, without telling what was in them.
    """
    if not arguments:
        return ""
    told = [f"{plain(name)}={_told(name, value)}" for name, value in arguments.items()]
    text = json.dumps(arguments, sort_keys=True, default=str, separators=(",", ":"))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{' '.join(told)[:_SUMMARY_CHARS_MAX]} sha256={digest}"


def _told(name: str, value: object) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if name in _SHOWN and isinstance(value, str):
        return json.dumps(plain(value), ensure_ascii=False)
    if isinstance(value, (str, list, tuple, dict)):
        return f"<{len(value)}>"
    return f"<{type(value).__name__}>"


def plain(text: str) -> str:
    """Text from outside, fit to be kept and shown in one line."""
    if _HARMLESS.fullmatch(text):
        return text
    short = text[:_VALUE_CHARS_MAX].encode("utf-8", "replace").decode().replace("\0", "")
    return " ".join(visible(redacted(short)).split())
