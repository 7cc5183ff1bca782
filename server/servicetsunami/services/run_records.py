"""Remembers runs while they go on: leases, cells that have ended, wishes to cancel, the end."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import uuid4

import anyio

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.run import CellRun, Run, RunState
from servicetsunami.engines.kernels.outcome import Outcome
from servicetsunami.errors import ServerError
from servicetsunami.services.run_plans import Plan
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_log = logging.getLogger(__name__)

Admit: TypeAlias = "Callable[[Transaction, Run], Awaitable[Run]]"
"""Asks a budget for a run, in the transaction that writes it down."""
_BUG: Final = "The server failed in the middle of the run; its log tells more."
_RENEW_S: Final = 1.0
"""How often somebody else's wish to cancel is looked for."""


@dataclass(slots=True)
class ActiveRun:
    """A run that this process does now; `changed` is set, and replaced, whenever a cell ends.

    `on_cancel` is how it is stopped once it has begun; `said` is how far work without cells is.
    """

    run: Run
    done: anyio.Event = field(default_factory=anyio.Event)
    changed: anyio.Event = field(default_factory=anyio.Event)
    cells_done: int = 0
    on_cancel: Callable[[], None] | None = None
    is_cancelled: bool = False
    said: tuple[float, float | None, str] | None = None

    def cancel(self) -> None:
        """Stop it as soon as it has begun."""
        self.is_cancelled = True
        if self.on_cancel is not None:
            self.on_cancel()

    def begin(self, on_cancel: Callable[[], None]) -> None:
        """From now on it can be stopped in this way; at once, if that was asked for before."""
        self.on_cancel = on_cancel
        if self.is_cancelled:
            on_cancel()

    def told(self, done: float, total: float | None, text: str) -> None:
        """Tell those who wait how far work without cells is."""
        self.said = done, total, text
        self.progressed(self.cells_done)

    @property
    def progress(self) -> tuple[float, float | None, str]:
        """How much is done, of how much where that is known, and in words."""
        total = self.run.cells_total
        return self.said or (self.cells_done, total, f"{self.cells_done} of {total} cells")

    def progressed(self, cells_done: int) -> None:
        """Tell those who wait."""
        self.cells_done = cells_done
        self.changed.set()
        self.changed = anyio.Event()


class RunRecords:
    """What this process knows of runs, and what the database has to. `owner` names the process."""

    def __init__(self, *, metadata: Metadata, owner: str, lease_s: float) -> None:
        self._metadata = metadata
        self._owner = owner
        self._lease_s = lease_s
        self._active: dict[str, ActiveRun] = {}

    def find(self, run_id: str) -> ActiveRun | None:
        """The run, if this process does it now."""
        return self._active.get(run_id)

    async def remember(
        self,
        caller: Caller,
        plan: Plan,
        *,
        ran_on: str,
        reason: str,
        timeout_s: float,
        isolation: str | None = None,
        parent: str | None = None,
        remote: Mapping[str, object] | None = None,
        admit: "Admit | None" = None,
    ) -> ActiveRun:
        """Write down a run that is about to begin; see `add`."""
        now = datetime.now(UTC)
        run = Run(
            id=f"run-{uuid4().hex[:16]}",
            tenant=caller.tenant,
            subject=caller.subject,
            name=plan.name,
            notebook=plan.notebook,
            revision=plan.revision,
            parameters=plan.parameters,
            state=RunState.PENDING,
            ran_on=ran_on,
            reason=reason,
            isolation=isolation,
            timeout_s=timeout_s,
            cells_total=len(plan.cells),
            created_at=now,
            parent=parent,
            remote=remote or {},
        )
        return await self.add(run, admit=admit)

    async def add(self, run: Run, *, admit: "Admit | None" = None) -> ActiveRun:
        """Write down a run that is about to begin, as this process's own.

        `admit` may refuse it, or change it, in the same transaction.
        """
        async with self._metadata.begin() as transaction:
            if admit is not None:
                run = await admit(transaction, run)
            await transaction.runs.add(replace(run, **self.lease()))
        return self.attach(run)

    def lease(self) -> dict[str, Any]:
        """What makes a run this process's own, for as long as it is renewed."""
        until = datetime.now(UTC) + timedelta(seconds=self._lease_s)
        return {"owner": self._owner, "lease_until": until}

    def attach(self, run: Run) -> ActiveRun:
        """Take a run that is this process's own from now on."""
        active = self._active[run.id] = ActiveRun(run)
        return active

    async def adopt(self, tenant: str, *, is_job: bool) -> list[Run]:
        """Take over runs on Databricks that nobody follows now, of jobs or of notebooks."""
        async with self._metadata.begin() as transaction:
            return list(
                await transaction.runs.adopt(
                    tenant,
                    is_job=is_job,
                    owner=self._owner,
                    at=datetime.now(UTC),
                    lease_s=self._lease_s,
                )
            )

    async def began(self, active: ActiveRun) -> None:
        """Note that it is running."""
        now = datetime.now(UTC)
        active.run = replace(active.run, state=RunState.RUNNING, started_at=now)
        await self.change(active, state=RunState.RUNNING.value, started_at=now)

    async def change(self, active: ActiveRun, **values: Any) -> None:  # noqa: ANN401 - of columns
        """Note something of a run, as long as it is ours."""
        async with self._metadata.begin() as transaction:
            await transaction.runs.change(active.run.id, self._owner, **values)

    async def note_cell(self, active: ActiveRun, cell: CellRun) -> None:
        """Note what came of a cell, and tell those who wait."""
        async with self._metadata.begin() as transaction:
            await transaction.runs.add_cell(active.run.id, cell)
        active.progressed(active.cells_done + 1)

    async def keep_alive(self, active: ActiveRun) -> None:
        """Renew the lease, and stop when somebody asks for it or the lease is lost."""
        while True:
            await anyio.sleep(_RENEW_S)
            try:
                async with self._metadata.begin() as transaction:
                    wish = await transaction.runs.renew(
                        active.run.id, self._owner, at=datetime.now(UTC), lease_s=self._lease_s
                    )
            except ServerError as error:
                _log.warning("the lease of run %s was not renewed: %s", active.run.id, error)
                continue
            if wish is not False:
                active.cancel()

    async def carry(
        self,
        active: ActiveRun,
        work: Callable[[], Awaitable[Outcome]],
        *,
        if_stopped: Outcome | None,
    ) -> None:
        """Do the work of a run under its lease, and note how it ended, whatever happens.

        `if_stopped` is how it ends when the server does; None leaves it to the next server.
        """
        outcome = if_stopped
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.keep_alive, active)
                outcome = await work()
                tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - the outermost loop of a run: others go on
            outcome = Outcome(state=RunState.FAILED, error=reason_of(active.run.id, error))
        finally:
            with anyio.CancelScope(shield=True):
                if outcome is None:
                    await self.release(active)
                else:
                    await self.settle(active, outcome)

    async def settle(self, active: ActiveRun, outcome: Outcome) -> None:
        """Note how it ended. Never fails: without the note it counts as lost one day."""
        now = datetime.now(UTC)
        values = {
            "state": outcome.state.value,
            "exit_value": outcome.exit_value,
            "error": outcome.error,
            "ended_at": now,
            "lease_until": None,
        }
        try:
            await self.change(active, **values)
        except ServerError as error:
            _log.warning("the end of run %s was not noted: %s", active.run.id, error)
        active.run = replace(
            active.run,
            state=outcome.state,
            exit_value=outcome.exit_value,
            error=outcome.error,
            ended_at=now,
        )
        self.let_go(active)

    def let_go(self, active: ActiveRun) -> None:
        """Leave a run as it is in the database: ended, or for the next server to take over."""
        self._active.pop(active.run.id, None)
        active.done.set()
        active.progressed(active.cells_done)

    async def release(self, active: ActiveRun) -> None:
        """Let another server take it over at once."""
        try:
            await self.change(active, lease_until=datetime.now(UTC))
        except ServerError as error:
            _log.warning("run %s was not handed over: %s", active.run.id, error)
        self.let_go(active)


def reason_of(run: str, error: BaseException) -> str:
    """Why a run failed, in words; a bug is logged, and not shown."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        # Task groups wrap whatever goes wrong inside.
        error = error.exceptions[0]
    if isinstance(error, ServerError):
        return str(error)
    if isinstance(error, OSError):
        # No room, no processes: what this machine lacks is no bug of ours.
        return f"This machine could not do it: {error.strerror or error}."
    _log.error("run %s failed", run, exc_info=error)
    return _BUG
