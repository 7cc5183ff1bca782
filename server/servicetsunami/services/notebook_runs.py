"""Runs notebooks on this machine, in kernels, and answers what their code asks of the server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.run import RunState
from servicetsunami.engines.kernels.bridge import Asked, Told
from servicetsunami.engines.kernels.outcome import Outcome
from servicetsunami.engines.kernels.pool import KernelPool
from servicetsunami.engines.kernels.spec import KernelSpec
from servicetsunami.errors import InvalidInput, LimitExceeded
from servicetsunami.services.budgets import Budgets
from servicetsunami.services.notebook_data import NotebookData
from servicetsunami.services.run_audit import RunAudit
from servicetsunami.services.run_plans import Plan, RunPlans, RunRequest
from servicetsunami.services.run_records import ActiveRun, RunRecords

_DEPTH_MAX: Final = 5
_STOPPED: Final = Outcome(state=RunState.CANCELED, error="The server was stopped.")
HERE: Final = "local"
_OPERATIONS: Final = {
    "query": "query_dataset",
    "tables": "list_assets",
    "write": "ingest_dataset",
    "run_notebook": "run_notebook",
}
"""What code asks for, by the names of the tools that do the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskValues:
    """What `dbutils.jobs.taskValues` reads and writes: of earlier tasks by key, and its own."""

    earlier: Mapping[str, Mapping[str, object]]
    own: dict[str, object] = field(default_factory=dict)


class NotebookRuns:
    """Runs plans in kernels; `tasks` outlives every call."""

    def __init__(
        self,
        *,
        records: RunRecords,
        plans: RunPlans,
        data: NotebookData,
        pool: KernelPool,
        budgets: Budgets,
        audit: RunAudit,
        tasks: TaskGroup,
        spec_of: Callable[[str], KernelSpec],
        data_dir: Path,
    ) -> None:
        self._records = records
        self._plans = plans
        self._data = data
        self._pool = pool
        self._budgets = budgets
        self._audit = audit
        self._tasks = tasks
        self._spec_of = spec_of
        self._data_dir = data_dir
        self._values = dict[str, TaskValues]()

    async def start(
        self,
        caller: Caller,
        plan: Plan,
        *,
        reason: str,
        timeout_s: float,
        parent: str | None = None,
        values: "TaskValues | None" = None,
    ) -> ActiveRun:
        """Begin a run in the background; it is remembered before it begins.

        `values` are those of the job's run whose task it does, its `parent`. Raises LimitExceeded
        when the budget for runs is used up.
        """
        warning = await self._budgets.admit_run(caller.tenant)
        reason = reason if warning is None else f"{reason} {warning}"
        active = await self._remember(
            caller, plan, reason=reason, timeout_s=timeout_s, parent=parent
        )
        if values is not None:
            self._values[active.run.id] = values
        self._tasks.start_soon(self._supervise, caller, active, plan, 0)
        return active

    async def check(self) -> None:
        """Raise ConfigurationError where notebooks cannot run on this machine."""
        await self._pool.sandboxes.choose()

    def outputs_folder(self, tenant: str, run_id: str) -> Path:
        """Where the whole outputs of a run are."""
        return self._data_dir / "tenants" / tenant / "runs" / run_id

    async def _remember(
        self,
        caller: Caller,
        plan: Plan,
        *,
        reason: str,
        timeout_s: float,
        parent: str | None = None,
    ) -> ActiveRun:
        sandbox = await self._pool.sandboxes.choose()
        return await self._records.remember(
            caller,
            plan,
            ran_on=HERE,
            reason=reason,
            timeout_s=timeout_s,
            isolation=sandbox.isolation.value,
            parent=parent,
        )

    async def _supervise(self, caller: Caller, active: ActiveRun, plan: Plan, depth: int) -> None:
        """Carry a run through, and note how it ended, whatever happens."""
        work = partial(self._run, caller, active, plan, depth)
        await self._records.carry(active, work, if_stopped=_STOPPED)
        self._values.pop(active.run.id, None)

    async def _run(self, caller: Caller, active: ActiveRun, plan: Plan, depth: int) -> Outcome:
        run, spec = active.run, self._spec_of(caller.tenant)
        folder = self.outputs_folder(run.tenant, run.id)
        await anyio.Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        async with self._pool.acquire(spec, is_nested=depth > 0) as kernel:
            from servicetsunami.engines.kernels.execution import (  # noqa: PLC0415 - heavy
                Execution,
            )

            await self._records.began(active)
            execution = Execution(
                kernel=kernel,
                cells=plan.cells,
                parameters=plan.parameters,
                folder=folder,
                timeout_s=run.timeout_s,
                answer=partial(self._answer, caller, active, plan, depth),
                on_cell=partial(self._records.note_cell, active),
            )
            active.begin(execution.cancel)
            return await execution.run()

    async def _answer(
        self, caller: Caller, active: ActiveRun, plan: Plan, depth: int, asked: Asked
    ) -> Told:
        """Answer what the code of a run asks of the server, and have it recorded."""
        if asked.verb in {"set_value", "get_value"}:
            return Told(value=self._value(active, asked))
        operation = _OPERATIONS.get(asked.verb)
        if operation is None:
            raise InvalidInput(f"There is nothing called {asked.verb!r}.", "Use dbutils and lake.")
        arguments = dict(asked.arguments)
        if "path" in arguments:
            arguments["name"] = arguments.pop("path")
        async with self._audit.noted(caller, operation, arguments, run_id=active.run.id):
            return await self._do(caller, active, plan, depth, asked)

    async def _do(
        self, caller: Caller, active: ActiveRun, plan: Plan, depth: int, asked: Asked
    ) -> Told:
        if asked.verb == "query":
            return await self._data.query(caller, asked.arguments, run_id=active.run.id)
        if asked.verb == "tables":
            return await self._data.tables(caller)
        if asked.verb == "write":
            return await self._data.write(caller, asked, run_id=active.run.id)
        return Told(value=await self._run_nested(caller, active, plan, depth, asked.arguments))

    def _value(self, active: ActiveRun, asked: Asked) -> dict[str, object]:
        """Keep a value for later tasks, or look one of an earlier task up."""
        values = self._values.get(active.run.id)
        if values is None:
            return {"in_job": False}
        key = str(asked.arguments["key"])
        if asked.verb == "set_value":
            values.own[key] = asked.arguments["value"]
            return {"in_job": True}
        of_task = values.earlier.get(str(asked.arguments["task"]), {})
        return {"in_job": True, "has_value": key in of_task, "value": of_task.get(key)}

    async def _run_nested(
        self,
        caller: Caller,
        active: ActiveRun,
        plan: Plan,
        depth: int,
        arguments: Mapping[str, object],
    ) -> str:
        """Run another notebook to its end, for `dbutils.notebook.run`; its exit value."""
        if depth == _DEPTH_MAX:
            raise LimitExceeded(
                f"dbutils.notebook.run goes more than {_DEPTH_MAX} notebooks deep.",
                "Include with %run, or make a job of it.",
            )
        name = (plan.notebook or NotebookName("unsaved")).beside(str(arguments["path"]))
        given = arguments["parameters"]
        request = RunRequest(
            name=str(name), content=None, parameters=given if isinstance(given, dict) else {}
        )
        inner = await self._plans.make(caller, request)
        wanted_s = float(str(arguments["timeout_s"]))
        timeout_s = min(wanted_s or active.run.timeout_s, active.run.timeout_s)
        child = await self._remember(
            caller,
            inner,
            reason=f"It was run by {active.run.id}.",
            timeout_s=timeout_s,
            parent=active.run.id,
        )
        # Ends with its parent: whoever is cancelled, cancels it.
        await self._supervise(caller, child, inner, depth + 1)
        if child.run.state is not RunState.SUCCESS:
            raise InvalidInput(
                f"The notebook {name} ended as {child.run.state.value}: {child.run.error}",
                f"get_run with run_id {child.run.id} tells more.",
            )
        return child.run.exit_value or ""
