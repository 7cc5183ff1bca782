"""Reads how a run or a task stands, in the words of both generations of the Jobs API.

The second generation (`status`) says why a run has ended, the first (`state`) has the words for it
that everybody knows. A run of several tasks that failed ends as INTERNAL_ERROR in the first one.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from servicetsunami.domain.run import RunState

_ENDED: Final = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})
_GOING: Final = {
    "BLOCKED": RunState.BLOCKED,
    "QUEUED": RunState.QUEUED,
    "RUNNING": RunState.RUNNING,
    "TERMINATING": RunState.RUNNING,
    "WAITING": RunState.WAITING_FOR_RETRY,
    "WAITING_FOR_RETRY": RunState.WAITING_FOR_RETRY,
}
_RESULTS: Final = {
    "SUCCESS": RunState.SUCCESS,
    "SUCCESS_WITH_FAILURES": RunState.SUCCESS_WITH_FAILURES,
    "USER_CANCELED": RunState.CANCELED,
    "CANCELED": RunState.CANCELED,
    "TIMEDOUT": RunState.TIMEDOUT,
    "TIMED_OUT": RunState.TIMEDOUT,
    "EXCLUDED": RunState.EXCLUDED,
    "DISABLED": RunState.DISABLED,
    "UPSTREAM_FAILED": RunState.UPSTREAM_FAILED,
    "UPSTREAM_CANCELED": RunState.UPSTREAM_CANCELED,
    "SKIPPED": RunState.SKIPPED,
    "MAXIMUM_CONCURRENT_RUNS_REACHED": RunState.SKIPPED,
    "MAX_CONCURRENT_RUNS_EXCEEDED": RunState.SKIPPED,
    "MAX_JOB_QUEUE_SIZE_EXCEEDED": RunState.SKIPPED,
}


def state_of(answer: Mapping[str, Any]) -> RunState:
    """How a run, or a task of one, stands."""
    old, new = answer.get("state") or {}, answer.get("status") or {}
    life = str(new.get("state") or old.get("life_cycle_state") or "")
    if life not in _ENDED:
        return _GOING.get(life, RunState.PENDING)
    result = str(old.get("result_state") or "")
    if result in _RESULTS:
        return _RESULTS[result]
    code = str((new.get("termination_details") or {}).get("code") or "")
    if not code and old.get("life_cycle_state") == "SKIPPED":
        return RunState.SKIPPED
    return _RESULTS.get(code, RunState.FAILED)


def message_of(answer: Mapping[str, Any]) -> str:
    """What is said about how it stands; empty where nothing is."""
    details = (answer.get("status") or {}).get("termination_details") or {}
    return str(details.get("message") or (answer.get("state") or {}).get("state_message") or "")


def moment_of(answer: Mapping[str, Any], field: str) -> datetime | None:
    """A moment that is given in milliseconds; None for 0, which stands for not yet."""
    ms = int(answer.get(field) or 0)
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None
