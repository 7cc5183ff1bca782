"""What follows from how tasks have ended: which run next, which never will, how a run ends.

No I/O: the store feeds it with states, and carries out what it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from servicetsunami.domain.job import JobSettings, RunIf, Task
from servicetsunami.domain.run import RunState


class _Kind(StrEnum):
    """How a dependency counts for the task that waits for it."""

    GOOD = "good"
    BAD = "bad"
    CANCELED = "canceled"
    LEFT_OUT = "left out"


_KINDS = {
    RunState.SUCCESS: _Kind.GOOD,
    RunState.FAILED: _Kind.BAD,
    RunState.TIMEDOUT: _Kind.BAD,
    RunState.LOST: _Kind.BAD,
    RunState.UPSTREAM_FAILED: _Kind.BAD,
    RunState.CANCELED: _Kind.CANCELED,
    RunState.UPSTREAM_CANCELED: _Kind.CANCELED,
    RunState.EXCLUDED: _Kind.LEFT_OUT,
    RunState.SKIPPED: _Kind.LEFT_OUT,
    RunState.DISABLED: _Kind.LEFT_OUT,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """How a task stands: its state and, of a condition, how it came out."""

    state: RunState
    outcome: str | None = None


def next_state(task: Task, seen: Mapping[str, Seen]) -> RunState | None:
    """What becomes of a task that waits: PENDING, an end without running, or None for wait on.

    `seen` has its dependencies. The rules are those of Databricks' `run_if`.
    """
    if any(not seen[each.key].state.is_ended for each in task.depends_on):
        return None
    if task.is_disabled:
        return RunState.DISABLED
    kinds = [_kind(seen[each.key], each.outcome) for each in task.depends_on]
    if not kinds or _is_met(task.run_if, kinds):
        return RunState.PENDING
    return RunState.DISABLED if _is_kept_off(task, seen) else _left_out(task, kinds)


def _left_out(task: Task, kinds: Sequence[_Kind]) -> RunState:
    """How a task ends that does not run, for what has become of those before it."""
    if task.run_if in {RunIf.AT_LEAST_ONE_FAILED, RunIf.ALL_FAILED}:
        return RunState.EXCLUDED
    if _Kind.BAD in kinds:
        return RunState.UPSTREAM_FAILED
    return RunState.UPSTREAM_CANCELED if _Kind.CANCELED in kinds else RunState.EXCLUDED


def _is_kept_off(task: Task, seen: Mapping[str, Seen]) -> bool:
    """Whether disabled tasks before it suffice to keep it from ever running.

    As Databricks documents it on the page "Disabled tasks in Lakeflow Jobs".
    """
    off = [seen[each.key].state is RunState.DISABLED for each in task.depends_on]
    needs_all = task.run_if in {RunIf.ALL_SUCCESS, RunIf.ALL_FAILED}
    return any(off) if needs_all else all(off)


def _kind(seen: Seen, outcome: str | None) -> _Kind:
    kind = _KINDS[seen.state]
    if kind is _Kind.GOOD and outcome is not None and seen.outcome != outcome:
        return _Kind.LEFT_OUT
    return kind


def _is_met(run_if: RunIf, kinds: Sequence[_Kind]) -> bool:
    if run_if is RunIf.ALL_SUCCESS:
        return all(kind is _Kind.GOOD for kind in kinds)
    if run_if is RunIf.AT_LEAST_ONE_SUCCESS:
        return _Kind.GOOD in kinds
    if run_if is RunIf.NONE_FAILED:
        return _Kind.GOOD in kinds and not {_Kind.BAD, _Kind.CANCELED} & set(kinds)
    if run_if is RunIf.AT_LEAST_ONE_FAILED:
        return _Kind.BAD in kinds
    if run_if is RunIf.ALL_FAILED:
        return all(kind is _Kind.BAD for kind in kinds)
    return True


def loop_state(states: Sequence[RunState]) -> RunState:
    """How a for-each task ends whose iterations have ended so."""
    for state in (RunState.LOST, RunState.FAILED, RunState.TIMEDOUT, RunState.CANCELED):
        if state in states:
            return state
    return RunState.SUCCESS


def run_state(settings: JobSettings, seen: Mapping[str, Seen]) -> tuple[RunState, str | None]:
    """How a run ends whose tasks have all ended, and why; the tasks that none waits for decide."""
    leaves = [seen[task.key].state for task in settings.leaves()]
    bad = {key: each.state for key, each in seen.items() if _KINDS[each.state] is _Kind.BAD}
    causes = {key: state for key, state in bad.items() if state is not RunState.UPSTREAM_FAILED}
    first = next(iter(causes.items()), None)
    reason = None if first is None else f"Task {first[0]} ended as {first[1].value}."
    if any(_KINDS[state] is _Kind.BAD for state in leaves):
        is_lost = set(causes.values()) == {RunState.LOST}
        return (RunState.LOST if is_lost else RunState.FAILED), reason
    if any(_KINDS[state] is _Kind.CANCELED for state in leaves):
        return RunState.CANCELED, "It was cancelled."
    return (RunState.SUCCESS_WITH_FAILURES if bad else RunState.SUCCESS), reason


def to_repair(settings: JobSettings, seen: Mapping[str, Seen]) -> list[str]:
    """The tasks that a repair runs again: those that did not end well, and all behind them."""
    again = {key for key, each in seen.items() if _KINDS[each.state] in {_Kind.BAD, _Kind.CANCELED}}
    ordered: list[str] = []
    left = list(settings.tasks)
    while left:
        for task in list(left):
            if all(each.key not in {t.key for t in left} for each in task.depends_on):
                left.remove(task)
                if task.key in again or any(each.key in again for each in task.depends_on):
                    again.add(task.key)
                    ordered.append(task.key)
    return ordered
