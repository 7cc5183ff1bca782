"""Answers calls about runs: starts them, waits a while, shows them, stops them."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.run import CALL, CellRun, Run, RunState
from servicetsunami.errors import ConfigurationError, InvalidInput, NotFound
from servicetsunami.services.job_answers import JobRunAnswer
from servicetsunami.services.jobs import Jobs
from servicetsunami.services.notebook_runs import NotebookRuns
from servicetsunami.services.progress import Report
from servicetsunami.services.remote_runs import RemoteRuns
from servicetsunami.services.routing import RunOn
from servicetsunami.services.run_answers import CallAnswer, RunAnswer, RunsAnswer, StoppedRun
from servicetsunami.services.run_plans import Plan, RunPlans, RunRequest
from servicetsunami.services.run_records import ActiveRun, RunRecords
from servicetsunami.services.usage import UsageMeter
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_PATIENCE_S: Final = 20.0
"""How long get_run waits for a run to go on."""
_CANCEL_S: Final = 5.0
_PAGE_RUNS: Final = 20
_HERE: Final = "Notebooks run on this machine."
_LOST: Final = "The server that ran it is gone."
_WHOLE_CHARS_MAX: Final = 1_000_000


class Runs:
    """Owns what callers see of runs."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        plans: RunPlans,
        records: RunRecords,
        here: NotebookRuns,
        there: RemoteRuns,
        jobs: Jobs,
        usage: UsageMeter,
        timeout_max_s: float,
    ) -> None:
        self._metadata = metadata
        self._plans = plans
        self._records = records
        self._here = here
        self.there = there
        self._jobs = jobs
        self._usage = usage
        self._timeout_max_s = timeout_max_s

    async def run_notebook(
        self, caller: Caller, request: RunRequest, report: Report, *, patience_s: float
    ) -> RunAnswer:
        """Run a notebook; the whole run if it ends in time, else what there is, and its id.

        Cancelling the call stops the run.
        """
        with self._usage.measure(caller, "run_notebook") as tally:
            plan = await self._plans.make(caller, request)
            timeout_s = min(request.timeout_s or self._timeout_max_s, self._timeout_max_s)
            active = await self._start(caller, plan, request.run_on, timeout_s=timeout_s)
            try:
                await _wait(active, report, patience_s)
            except anyio.get_cancelled_exc_class():
                active.cancel()
                raise
            tally.rows = active.cells_done
        return await self._answer(caller, active.run.id)

    async def _start(
        self, caller: Caller, plan: Plan, run_on: RunOn, *, timeout_s: float
    ) -> ActiveRun:
        """Begin it where the caller wants it, or where it can be; the record says why."""
        if run_on == "databricks":
            if not caller.has_databricks:
                raise ConfigurationError(
                    "No Databricks workspace is connected.",
                    "Use run_on local, or have DATABRICKS_ENABLED and its companions set.",
                )
            return await self.there.start(
                caller, plan, reason="You asked for Databricks.", timeout_s=timeout_s
            )
        if run_on == "auto" and caller.has_databricks:
            try:
                await self._here.check()
            except ConfigurationError as error:
                return await self.there.start(caller, plan, reason=error.what, timeout_s=timeout_s)
        return await self._here.start(caller, plan, reason=_HERE, timeout_s=timeout_s)

    async def get(self, caller: Caller, run_id: str, report: Report, *, wait: bool) -> RunsAnswer:
        """One run as it stands; with `wait`, after it has gone on for at most 20 s."""
        with self._usage.measure(caller, "get_run"):
            active = self._records.find(run_id) if wait else None
            if active is not None and active.run.tenant == caller.tenant and not active.run.job_id:
                await _wait(active, report, _PATIENCE_S)
            run, told = await self.look(caller, run_id)
            if wait and run.job_id is not None and not run.state.is_ended:
                await self._jobs.wait_for(caller, run_id, patience_s=_PATIENCE_S)
                told = (await self.look(caller, run_id))[1]
            return RunsAnswer(run=told)

    async def look(self, caller: Caller, run_id: str) -> tuple[Run, dict[str, JsonValue]]:
        """One run as it stands: its record, and what a call would answer."""
        async with self._looked_after(caller) as transaction:
            run = await transaction.runs.get(caller.tenant, run_id)
            if run.job_id is not None:
                tasks = await transaction.run_tasks.history(caller.tenant, run_id)
                return run, JobRunAnswer.of(run, tasks).model_dump()
            cells = await _cells(transaction, run)
        return run, _told(run, cells).model_dump()

    async def list(
        self,
        caller: Caller,
        *,
        name: str | None,
        state: str | None,
        since: str | None,
        cursor: str | None,
    ) -> RunsAnswer:
        """A page of runs, the newest first."""
        with self._usage.measure(caller, "get_run") as tally:
            async with self._looked_after(caller) as transaction:
                found = await transaction.runs.list(
                    caller.tenant,
                    name=name,
                    states=() if state is None else (RunState(state),),
                    since=_moment(since),
                    before=_place(cursor),
                    limit=_PAGE_RUNS + 1,
                )
                lines = [
                    _told(run, await _cells(transaction, run), is_short=True).model_dump()
                    for run in found[:_PAGE_RUNS]
                ]
            tally.rows = len(lines)
        more = len(found) > _PAGE_RUNS
        last = found[_PAGE_RUNS - 1] if more else None
        return RunsAnswer(
            runs=lines,
            truncated=more,
            cursor=f"{last.created_at.isoformat()}|{last.id}" if last is not None else None,
        )

    async def cancel(self, caller: Caller, run_id: str) -> StoppedRun:
        """Stop a run, whoever does it; one that has ended stays as it is."""
        with self._usage.measure(caller, "cancel_run"):
            async with self._looked_after(caller) as transaction:
                run = await transaction.runs.get(caller.tenant, run_id)
            if run.job_id is not None and run.ran_on == "local":
                await self._cancel_job(caller, run)
                return StoppedRun.of(await self._find(caller, run_id))
            async with self._metadata.begin() as transaction:
                is_going = await transaction.runs.request_cancel(caller.tenant, run_id)
            active = self._records.find(run_id)
            if is_going and active is not None:
                active.cancel()
                with anyio.move_on_after(_CANCEL_S):
                    await active.done.wait()
        return StoppedRun.of(await self._find(caller, run_id))

    async def _cancel_job(self, caller: Caller, run: Run) -> None:
        """Stop the run of a job with the runs of its tasks, those of this server at once."""
        for stopped in await self._jobs.cancel(run):
            active = self._records.find(stopped)
            if active is not None:
                active.cancel()
        await self._jobs.wait_for(caller, run.id, patience_s=_CANCEL_S)

    async def _find(self, caller: Caller, run_id: str) -> Run:
        async with self._metadata.read() as transaction:
            return await transaction.runs.get(caller.tenant, run_id)

    async def output(self, caller: Caller, run_id: str, cell: int) -> str:
        """The whole text that a cell put out; raises NotFound where there is none."""
        path = await self._output_path(caller, run_id, f"{cell}.txt")
        text = await to_thread.run_sync(_read_text, path)
        if text is None:
            raise NotFound(
                f"Cell {cell} of {run_id} has put out no text, or it is kept no longer.",
                "Call get_run for its cells.",
            )
        return text

    async def image(self, caller: Caller, run_id: str, file: str) -> bytes:
        """An image that a cell put out, by its file name in the cell's outputs."""
        path = await self._output_path(caller, run_id, Path(file).name)
        if path.suffix == ".txt" or not await anyio.Path(path).is_file():
            raise NotFound(
                f"{run_id} has no image {file!r}, or it is kept no longer.",
                "Call get_run for its cells.",
            )
        return await anyio.Path(path).read_bytes()

    async def _output_path(self, caller: Caller, run_id: str, file: str) -> Path:
        async with self._metadata.read() as transaction:
            run = await transaction.runs.get(caller.tenant, run_id)
        return self._here.outputs_folder(caller.tenant, run.id) / file

    async def _answer(self, caller: Caller, run_id: str) -> RunAnswer:
        async with self._looked_after(caller) as transaction:
            run = await transaction.runs.get(caller.tenant, run_id)
            cells = await transaction.runs.cells(caller.tenant, run_id)
        return RunAnswer.of(run, cells)

    @asynccontextmanager
    async def _looked_after(self, caller: Caller) -> AsyncGenerator["Transaction"]:
        """Read, with runs on Databricks gone on with whose server is gone, and others given up.

        Nobody else would. Mostly there are none, and a call that reads has to write nothing.
        """
        now = datetime.now(UTC)
        async with self._metadata.read() as transaction:
            if not await transaction.runs.have_lapsed(at=now):
                yield transaction
                return
        await self.there.adopt(caller)
        await self._jobs.there.adopt(caller)
        async with self._metadata.begin() as transaction:
            await transaction.runs.give_up(at=now, reason=_LOST)
        async with self._metadata.read() as transaction:
            yield transaction


async def _cells(transaction: "Transaction", run: Run) -> Sequence[CellRun]:
    """The cells of a notebook's run; others have none, and are not asked about."""
    if run.job_id is not None or run.trigger == CALL:
        return ()
    return await transaction.runs.cells(run.tenant, run.id)


def _told(
    run: Run, cells: Sequence[CellRun], *, is_short: bool = False
) -> RunAnswer | JobRunAnswer | CallAnswer:
    """A run in the words of its kind; the tasks of a job's run are left out."""
    if run.job_id is not None:
        return JobRunAnswer.of(run, ())
    if run.trigger == CALL:
        return CallAnswer.of(run, is_short=is_short)
    return RunAnswer.of(run, cells, is_short=is_short)


async def _wait(active: ActiveRun, report: Report, patience_s: float) -> None:
    """Wait for the end of a run, and tell of each cell."""
    with anyio.move_on_after(patience_s):
        while not active.done.is_set():
            changed = active.changed
            await report(*active.progress)
            await changed.wait()


def _read_text(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_WHOLE_CHARS_MAX + 1)
    except FileNotFoundError:
        return None
    if len(text) <= _WHOLE_CHARS_MAX:
        return text
    return f"{text[:_WHOLE_CHARS_MAX]}\n... more is in {path.name} of the run's folder ..."


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is no point in time.", "Use ISO 8601, such as 2026-11-25T08:00:00Z."
        ) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _place(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    at, _, run_id = cursor.partition("|")
    moment = _moment(at)
    if moment is None or not run_id:
        raise InvalidInput("That is not a cursor.", "Pass the `cursor` of a truncated answer.")
    return moment, run_id
