"""Answers questions: which tables, in which versions, computed where, given page by page."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import DatasetName
from servicetsunami.engines.sql.engine import (
    Admitted,
    Ask,
    Begun,
    PageOptions,
    ResultInfo,
    SqlEngine,
    SqlSession,
)
from servicetsunami.errors import InvalidInput, RemoteUnauthenticated, RemoteUnavailable
from servicetsunami.services.answers import ColumnAnswer, QueryAnswer, TableRead
from servicetsunami.services.catalog import snapshots_of
from servicetsunami.services.listing import Listing, Rows
from servicetsunami.services.progress import Progress, Report
from servicetsunami.services.remote_queries import RemoteQueries, RemoteQuestion
from servicetsunami.services.results import TOKENS_MAX, Form, page_facts, result_facts
from servicetsunami.services.routing import Route, Router, RunOn
from servicetsunami.services.usage import UsageMeter
from servicetsunami.stores.results import ResultStore

_SELECT = "select"
_CURSOR_PARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a caller wants to know, where it is to be computed, and how much at once.

    `only` names the one table that it may read; None stands for all tables.
    """

    sql: str
    parameters: Mapping[str, JsonValue]
    rows_max: int
    timeout_s: float | None
    form: Form
    run_on: RunOn = "auto"
    only: DatasetName | None = None

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
        router: Router,
        listing: Listing,
        remote: RemoteQueries,
        results: ResultStore,
        usage: UsageMeter,
        rows_max: int,
        timeout_max_s: float,
    ) -> None:
        self._engine = engine
        self._router = router
        self._listing = listing
        self._remote = remote
        self._results = results
        self._usage = usage
        self._rows_max = rows_max
        self._timeout_max_s = timeout_max_s

    async def ask(self, caller: Caller, question: Question, report: Report) -> QueryAnswer:
        """Answer one statement with its first page.

        Raises SqlRefused, SqlFailed, InvalidInput, NotFound, TimedOut, LimitExceeded or a
        RemoteError, each with what to do next. Cancelling the caller's task stops the work, on
        Databricks too.
        """
        if not question.sql.strip():
            raise InvalidInput(
                "There is neither a statement nor a cursor.", "Give `sql`, such as SELECT 1."
            )
        with self._usage.measure(caller, "query_dataset") as tally:
            answer = await self._answer(caller, question, report)
            tally.rows = len(answer.rows)
        await self._usage.flush_when_due()
        return answer

    async def next_page(self, caller: Caller, cursor: str, question: Question) -> QueryAnswer:
        """Return the page that a cursor of this caller points to.

        The cursor of a statement that Databricks was still computing goes on waiting for it.
        Raises NotFound for an expired, an unknown or a foreign cursor alike.
        """
        started = time.monotonic()
        result_id, offset = _read_cursor(cursor)
        with self._usage.measure(caller, "query_dataset") as tally:
            stored = self._results.open(caller.tenant, caller.subject, result_id)
            if self._remote.is_pending(stored):
                answer = await self._remote.resume(caller, stored, question.page)
                tally.rows = len(answer.rows)
                return answer
            page = await self._engine.page(
                stored.path, offset=offset, options=question.page, tenant=caller.tenant
            )
            tally.rows = len(page.rows)
        return QueryAnswer.model_validate(
            {
                **stored.facts,
                **page_facts(page, result_id),
                "elapsed_ms": round((time.monotonic() - started) * 1000),
            }
        )

    async def _answer(self, caller: Caller, question: Question, report: Report) -> QueryAnswer:
        result_id, path = self._results.reserve(caller.tenant)
        ask = self._ask(caller, question, path, report)
        async with self._engine.session(ask) as session:
            begun = await session.begin()
            _check_tables(begun.admitted, question.only)
            route = await self._router.route(caller, begun.admitted, question.run_on)
            if route.place == "local":
                return await self._here(
                    caller, session, begun, route, question=question, result_id=result_id
                )
        # From here on the child is free for others.
        asked = RemoteQuestion(
            sql=question.sql,
            parameters=question.parameters,
            timeout_s=question.timeout_s,
            page=question.page,
            result_id=result_id,
            path=path,
        )
        try:
            return await self._remote.ask(caller, asked, begun.admitted, route)
        except (RemoteUnavailable, RemoteUnauthenticated) as error:
            if not route.is_all_here:
                raise
            route = route.instead(error)
        async with self._engine.session(ask) as session:
            begun = await session.begin()
            return await self._here(
                caller, session, begun, route, question=question, result_id=result_id
            )

    async def _here(
        self,
        caller: Caller,
        session: SqlSession,
        begun: Begun,
        route: Route,
        *,
        question: Question,
        result_id: str,
    ) -> QueryAnswer:
        if begun.admitted.kind == _SELECT:
            return await self._select(caller, session, begun, route, result_id)
        rows = await self._listing.answer(caller, begun.admitted, session)
        return _listed(rows, route, question)

    async def _select(
        self, caller: Caller, session: SqlSession, begun: Begun, route: Route, result_id: str
    ) -> QueryAnswer:
        info = begun.result
        if info is None:
            info = await session.run(snapshots_of(begun.admitted, route.here))
        facts = _facts(info, route, rows_max=self._rows_max)
        if info.path is not None:
            self._results.keep(caller.tenant, caller.subject, result_id, facts)
        return QueryAnswer.model_validate(
            {
                **facts,
                **page_facts(info.page, result_id),
                "elapsed_ms": round(info.elapsed_s * 1000),
            }
        )

    def _ask(self, caller: Caller, question: Question, path: Path, report: Report) -> Ask:
        return Ask(
            tenant=caller.tenant,
            catalog=caller.catalog,
            other_catalogs=tuple(sorted(caller.catalogs)) if caller.has_databricks else (),
            sql=question.sql,
            parameters=question.parameters,
            result_path=path,
            rows_max=self._rows_max,
            timeout_s=min(question.timeout_s or self._timeout_max_s, self._timeout_max_s),
            page=question.page,
            on_progress=Progress(report).pass_on,
        )


def _check_tables(admitted: Admitted, only: DatasetName | None) -> None:
    """Before anything is run, as an error would tell values of the other table as well."""
    for table in admitted.tables if only else ():
        if table.catalog or table.name != str(only):
            raise InvalidInput(f"This reads {table.name}.", f"Only {only} can be read here.")


def _facts(info: ResultInfo, route: Route, *, rows_max: int) -> dict[str, Any]:
    """What is the same on every page of a result."""
    tables = dict.fromkeys(table.read for table in route.here)
    return {
        **result_facts(info, rows_max=rows_max),
        "ran_on": "local",
        "reason": route.reason,
        "stale_since": route.stale_since.isoformat() if route.stale_since else None,
        "tables": [
            {"table": name, "version": version, "as_of": at} for name, version, at in tables
        ],
    }


def _read_cursor(cursor: str) -> tuple[str, int]:
    parts = cursor.split(":")
    if len(parts) == _CURSOR_PARTS and parts[1].isdecimal():
        return parts[0], int(parts[1])
    raise InvalidInput("That is not a cursor.", "Pass the `cursor` of a truncated answer as it is.")


def _listed(rows: Rows, route: Route, question: Question) -> QueryAnswer:
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
        reason=route.reason,
        tables=[TableRead(table=t, version=v, as_of=at) for t, v, at in rows.tables],
        elapsed_ms=0,
        note="Call list_assets for all of them." if len(shown) < len(rows.rows) else None,
    )
