"""Answers questions: which tables, in which versions, computed where, given page by page."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.engines.sql.engine import (
    Ask,
    Begun,
    Page,
    PageOptions,
    ResultInfo,
    SqlEngine,
    SqlSession,
)
from servicetsunami.errors import InvalidInput
from servicetsunami.services.answers import ColumnAnswer, QueryAnswer, TableRead
from servicetsunami.services.catalog import Catalog, TableAsked, TableFound, snapshots_of
from servicetsunami.services.listing import Listing, Rows
from servicetsunami.services.progress import Progress, Report
from servicetsunami.services.usage import UsageMeter
from servicetsunami.stores.results import ResultStore

Form = Literal["concise", "detailed"]
TOKENS_MAX: Mapping[Form, int] = {"concise": 2_000, "detailed": 10_000}
"""How long a page may be, so that it leaves a model room to think."""

_SELECT = "select"
_NO_TABLES = "The statement reads no tables."
_ALL_HERE = "All of its tables are on this machine."
_CURSOR_PARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a caller wants to know, and how much of the answer at once."""

    sql: str
    parameters: Mapping[str, JsonValue]
    rows_max: int
    timeout_s: float | None
    form: Form

    @property
    def page(self) -> PageOptions:
        """How its pages are cut."""
        return PageOptions(rows_max=self.rows_max, tokens_max=TOKENS_MAX[self.form], form=self.form)


class Queries:
    """Owns reading: one statement in, one page out, the rest kept for an hour."""

    def __init__(
        self,
        *,
        engine: SqlEngine,
        catalog: Catalog,
        listing: Listing,
        results: ResultStore,
        usage: UsageMeter,
        rows_max: int,
        timeout_max_s: float,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._listing = listing
        self._results = results
        self._usage = usage
        self._rows_max = rows_max
        self._timeout_max_s = timeout_max_s

    async def ask(self, caller: Caller, question: Question, report: Report) -> QueryAnswer:
        """Answer one statement with its first page.

        Raises SqlRefused, SqlFailed, InvalidInput, NotFound, TimedOut or LimitExceeded, each
        with what to do next. Cancelling the caller's task stops the work.
        """
        if not question.sql.strip():
            raise InvalidInput(
                "There is neither a statement nor a cursor.", "Give `sql`, such as SELECT 1."
            )
        result_id, path = self._results.reserve(caller.tenant)
        ask = self._ask(caller, question, path, report)
        with self._usage.measure(caller, "query_dataset") as tally:
            async with self._engine.session(ask) as session:
                begun = await session.begin()
                if begun.admitted.kind == _SELECT:
                    answer = await self._select(caller, session, begun, result_id)
                else:
                    rows = await self._listing.answer(caller, begun.admitted, session)
                    answer = _listed(rows, question)
            tally.rows = len(answer.rows)
        await self._usage.flush_when_due()
        return answer

    async def next_page(self, caller: Caller, cursor: str, question: Question) -> QueryAnswer:
        """Return the page that a cursor of this caller points to.

        Raises NotFound for an expired, an unknown or a foreign cursor alike.
        """
        started = time.monotonic()
        result_id, offset = _read_cursor(cursor)
        with self._usage.measure(caller, "query_dataset") as tally:
            stored = self._results.open(caller.tenant, caller.subject, result_id)
            page = await self._engine.page(
                stored.path, offset=offset, options=question.page, tenant=caller.tenant
            )
            tally.rows = len(page.rows)
        return QueryAnswer.model_validate(
            {
                **stored.facts,
                **_shown(page, result_id),
                "elapsed_ms": round((time.monotonic() - started) * 1000),
            }
        )

    async def _select(
        self, caller: Caller, session: SqlSession, begun: Begun, result_id: str
    ) -> QueryAnswer:
        info, found = begun.result, []
        if info is None:
            found = await self._catalog.find(caller, map(TableAsked.of, begun.admitted.tables))
            info = await session.run(snapshots_of(begun.admitted, found))
        facts = _facts(info, found, rows_max=self._rows_max)
        if info.path is not None:
            self._results.keep(caller.tenant, caller.subject, result_id, facts)
        return QueryAnswer.model_validate(
            {
                **facts,
                **_shown(info.page, result_id),
                "elapsed_ms": round(info.elapsed_s * 1000),
            }
        )

    def _ask(self, caller: Caller, question: Question, path: Path, report: Report) -> Ask:
        return Ask(
            tenant=caller.tenant,
            catalog=caller.catalog,
            sql=question.sql,
            parameters=question.parameters,
            result_path=path,
            rows_max=self._rows_max,
            timeout_s=min(question.timeout_s or self._timeout_max_s, self._timeout_max_s),
            page=question.page,
            on_progress=Progress(report).pass_on,
        )


def _facts(info: ResultInfo, found: Sequence[TableFound], *, rows_max: int) -> dict[str, JsonValue]:
    """What is the same on every page of a result."""
    tables = dict.fromkeys(table.read for table in found)
    cut = {
        "rows": f"The result has more rows than the {rows_max} that are kept: aggregate or filter.",
        "bytes": "The result is larger than is kept: select fewer columns, aggregate or filter.",
        None: None,
    }
    return {
        "columns": [{"name": column.name, "type": column.type} for column in info.columns],
        "row_count": info.row_count,
        "row_count_is_minimum": True if info.limit else None,
        "ran_on": "local",
        "reason": _ALL_HERE if found else _NO_TABLES,
        "tables": [
            {"table": name, "version": version, "as_of": at} for name, version, at in tables
        ],
        "note": cut[info.limit],
    }


def _shown(page: Page, result_id: str) -> dict[str, Any]:
    """What differs from page to page."""
    more = page.next_offset is not None
    return {
        "rows": page.rows,
        "truncated": more,
        "cursor": f"{result_id}:{page.next_offset}" if more else None,
        "cut_cells": page.cut_cells or None,
    }


def _read_cursor(cursor: str) -> tuple[str, int]:
    parts = cursor.split(":")
    if len(parts) == _CURSOR_PARTS and parts[1].isdecimal():
        return parts[0], int(parts[1])
    raise InvalidInput("That is not a cursor.", "Pass the `cursor` of a truncated answer as it is.")


def _listed(rows: Rows, question: Question) -> QueryAnswer:
    shown = rows.rows[: question.rows_max]
    names = [name for name, _ in rows.columns]
    return QueryAnswer(
        columns=[ColumnAnswer(name=name, type=type_) for name, type_ in rows.columns],
        rows=[dict(zip(names, row, strict=True)) for row in shown]
        if question.form == "detailed"
        else [list(row) for row in shown],
        row_count=len(rows.rows),
        truncated=len(shown) < len(rows.rows),
        ran_on="local",
        reason="The metadata on this machine answers it.",
        tables=[TableRead(table=t, version=v, as_of=at) for t, v, at in rows.tables],
        elapsed_ms=0,
        note="Call list_assets for all of them." if len(shown) < len(rows.rows) else None,
    )
