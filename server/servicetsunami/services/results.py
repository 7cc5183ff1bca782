"""What an answer says of a result and of one of its pages, wherever it was computed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from servicetsunami.domain.caller import Caller
from servicetsunami.engines.sql.engine import Page, ResultInfo
from servicetsunami.services.answers import QueryAnswer
from servicetsunami.stores.results import ResultStore

Form = Literal["concise", "detailed"]
TOKENS_MAX: Final[Mapping[Form, int]] = {"concise": 2_000, "detailed": 10_000}
"""How long a page may be, so that it leaves a model room to think."""


def result_facts(info: ResultInfo, *, rows_max: int) -> dict[str, Any]:
    """What is the same on every page."""
    cut = {
        "rows": f"The result has more rows than the {rows_max} that are kept: aggregate or filter.",
        "bytes": "The result is larger than is kept: select fewer columns, aggregate or filter.",
        None: None,
    }
    return {
        "columns": [{"name": column.name, "type": column.type} for column in info.columns],
        "row_count": info.row_count,
        "row_count_is_minimum": True if info.limit else None,
        "note": cut[info.limit],
    }


def stored_file(results: ResultStore, caller: Caller, answer: QueryAnswer) -> Path | None:
    """The file with the whole result of an answer; None where none was kept."""
    if answer.cursor is None:
        return None
    result_id = answer.cursor.partition(":")[0]
    return results.open(caller.tenant, caller.subject, result_id).path


def page_facts(page: Page, result_id: str) -> dict[str, Any]:
    """What differs from page to page."""
    more = page.next_offset is not None
    return {
        "rows": page.rows,
        "truncated": more,
        "cursor": f"{result_id}:{page.next_offset}" if more else None,
        "cut_cells": page.cut_cells or None,
    }
