"""Notes how the tasks of a run on Databricks stand, in the same records as of runs here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from servicetsunami.domain.run import Run, RunState, TaskRun
from servicetsunami.errors import RemoteError, RemoteUnavailable
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.gateway.jobs import RemoteJobRun, RemoteTask
    from servicetsunami.gateway.workspace import Workspace

_LEFT_SOMETHING: Final = frozenset({RunState.SUCCESS, RunState.FAILED, RunState.TIMEDOUT})
_BAD: Final = frozenset({RunState.FAILED, RunState.TIMEDOUT})


class RemoteTasks:
    """Reads tasks, with what they left, once each has ended."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def note(
        self, workspace: "Workspace", run: Run, seen: "RemoteJobRun"
    ) -> Sequence[tuple[str, str]]:
        """Write down what is new; the keys of the tasks that failed, with their errors.

        Raises RemoteUnavailable.
        """
        async with self._metadata.read() as transaction:
            known = await transaction.run_tasks.history(run.tenant, run.id)
        before = {(task.key, task.attempt): task for task in known}
        now: list[TaskRun] = []
        for task in seen.tasks:
            now.append(await self._task(workspace, run, task, before, key=task.key, parent=None))
            if task.is_loop and task.started_at is not None:
                for index, each in enumerate(await workspace.jobs.iterations(task.run_id)):
                    key = f"{task.key}[{index}]"
                    now.append(
                        await self._task(workspace, run, each, before, key=key, parent=task.key)
                    )
        if any(before.get((task.key, task.attempt)) != task for task in now):
            async with self._metadata.begin() as transaction:
                await transaction.run_tasks.lock(run.id)
                await transaction.run_tasks.mirror(now)
        return [
            (task.key, task.error or task.state.value)
            for task in now
            if task.state in _BAD and task.parent is None
        ]

    async def _task(
        self,
        workspace: "Workspace",
        run: Run,
        task: "RemoteTask",
        before: dict[tuple[str, int], TaskRun],
        *,
        key: str,
        parent: str | None,
    ) -> TaskRun:
        known = before.get((key, task.attempt))
        if known is not None and known.state.is_ended and known.state is task.state:
            return known
        error, output = task.message or None, {}
        if task.state in _LEFT_SOMETHING and task.outcome is None:
            error, output = await self._left(workspace, task, error)
        elif task.outcome is not None:
            output = {"outcome": task.outcome}
        return TaskRun(
            run_id=run.id,
            key=key,
            attempt=task.attempt,
            tenant=run.tenant,
            state=task.state,
            parent=parent,
            outcome=task.outcome,
            error=error if task.state is not RunState.SUCCESS else None,
            output=output,
            started_at=task.started_at,
            ended_at=task.ended_at if task.state.is_ended else None,
        )

    async def _left(
        self, workspace: "Workspace", task: "RemoteTask", error: str | None
    ) -> tuple[str | None, dict[str, object]]:
        """What an ended task left: its error, and its output."""
        # As text: its numbers are too large for clients whose numbers are doubles.
        output: dict[str, object] = {"run_id": str(task.run_id)}
        try:
            left = await workspace.runs.output(task.run_id)
        except RemoteUnavailable:
            raise
        except RemoteError as refused:
            # Not every kind of task has an output that can be read; its state is known without.
            return error, {**output, "note": refused.what}
        if left.exit_value is not None:
            output["result"] = left.exit_value
        if left.child is not None:
            output["run_id"] = str(left.child)
        return left.error or error, output
