"""What follows from how tasks have ended, by the rules of Databricks' run_if."""

from collections.abc import Mapping

import pytest

from servicetsunami.domain.job import JobSettings
from servicetsunami.domain.job_flow import Seen, loop_state, next_state, run_state, to_repair
from servicetsunami.domain.job_settings import read_settings
from servicetsunami.domain.run import RunState as S

GOOD, BAD, GONE, OUT, OPEN = S.SUCCESS, S.FAILED, S.CANCELED, S.EXCLUDED, S.RUNNING


def job(*tasks: Mapping[str, object]) -> JobSettings:
    work = {"condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}
    return read_settings({"name": "j", "tasks": [{**work, **task} for task in tasks]})


def joined(run_if: str, **more: object) -> JobSettings:
    last = {"task_key": "c", "run_if": run_if, "depends_on": ["a", "b"], **more}
    return job({"task_key": "a"}, {"task_key": "b"}, last)


@pytest.mark.parametrize(
    ("run_if", "states", "expected"),
    [
        ("ALL_SUCCESS", (GOOD, GOOD), S.PENDING),
        ("ALL_SUCCESS", (GOOD, OPEN), None),
        ("ALL_SUCCESS", (GOOD, BAD), S.UPSTREAM_FAILED),
        ("ALL_SUCCESS", (GOOD, S.LOST), S.UPSTREAM_FAILED),
        ("ALL_SUCCESS", (GOOD, GONE), S.UPSTREAM_CANCELED),
        ("ALL_SUCCESS", (GOOD, OUT), S.EXCLUDED),
        ("AT_LEAST_ONE_SUCCESS", (GOOD, BAD), S.PENDING),
        ("AT_LEAST_ONE_SUCCESS", (BAD, BAD), S.UPSTREAM_FAILED),
        ("NONE_FAILED", (GOOD, OUT), S.PENDING),
        ("NONE_FAILED", (OUT, OUT), S.EXCLUDED),
        ("NONE_FAILED", (GOOD, BAD), S.UPSTREAM_FAILED),
        ("ALL_DONE", (BAD, OUT), S.PENDING),
        ("AT_LEAST_ONE_FAILED", (GOOD, BAD), S.PENDING),
        ("AT_LEAST_ONE_FAILED", (GOOD, GOOD), S.EXCLUDED),
        ("ALL_FAILED", (BAD, S.TIMEDOUT), S.PENDING),
        ("ALL_FAILED", (BAD, GOOD), S.EXCLUDED),
    ],
)
def test_run_if(run_if: str, states: tuple[S, S], expected: S | None) -> None:
    seen = {"a": Seen(states[0]), "b": Seen(states[1])}
    assert next_state(joined(run_if).task("c"), seen) is expected


@pytest.mark.parametrize(
    ("run_if", "other", "state"),
    [
        ("ALL_SUCCESS", GOOD, S.DISABLED),
        ("ALL_SUCCESS", BAD, S.DISABLED),
        ("AT_LEAST_ONE_SUCCESS", GOOD, S.PENDING),
        ("AT_LEAST_ONE_SUCCESS", BAD, S.UPSTREAM_FAILED),
        ("AT_LEAST_ONE_SUCCESS", S.DISABLED, S.DISABLED),
        ("NONE_FAILED", GOOD, S.PENDING),
        ("NONE_FAILED", S.DISABLED, S.DISABLED),
        ("ALL_DONE", S.DISABLED, S.PENDING),
        ("AT_LEAST_ONE_FAILED", BAD, S.PENDING),
        ("AT_LEAST_ONE_FAILED", GOOD, S.EXCLUDED),
        ("AT_LEAST_ONE_FAILED", S.DISABLED, S.DISABLED),
        ("ALL_FAILED", BAD, S.DISABLED),
    ],
)
def test_what_a_disabled_task_keeps_off(run_if: str, other: S, state: S) -> None:
    task = joined(run_if).task("c")
    assert next_state(task, {"a": Seen(S.DISABLED), "b": Seen(other)}) is state


def test_a_disabled_task_never_runs() -> None:
    task = joined("ALL_SUCCESS", disabled=True).task("c")
    assert next_state(task, {"a": Seen(GOOD), "b": Seen(GOOD)}) is S.DISABLED


@pytest.mark.parametrize(("outcome", "expected"), [("true", S.PENDING), ("false", S.EXCLUDED)])
def test_a_condition_lets_one_side_run(outcome: str, expected: S) -> None:
    then = {"task_key": "then", "depends_on": [{"task_key": "if", "outcome": "true"}]}
    task = job({"task_key": "if"}, then).task("then")
    assert next_state(task, {"if": Seen(GOOD, outcome)}) is expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((GOOD, GOOD, GOOD), S.SUCCESS),
        ((GOOD, BAD, S.UPSTREAM_FAILED), S.FAILED),
        ((GOOD, BAD, GOOD), S.SUCCESS_WITH_FAILURES),
        ((GOOD, S.LOST, S.UPSTREAM_FAILED), S.LOST),
        ((BAD, S.LOST, S.UPSTREAM_FAILED), S.FAILED),
        ((GOOD, GONE, S.UPSTREAM_CANCELED), S.CANCELED),
        ((GOOD, OUT, OUT), S.SUCCESS),
    ],
)
def test_the_tasks_that_none_waits_for_decide_how_a_run_ends(
    states: tuple[S, ...], expected: S
) -> None:
    settings = joined("ALL_DONE")
    seen = {key: Seen(state) for key, state in zip("abc", states, strict=True)}
    state, reason = run_state(settings, seen)
    assert state is expected
    assert (reason is None) == (expected is S.SUCCESS)


def test_a_repair_runs_what_failed_and_what_is_behind_it() -> None:
    settings = job(
        {"task_key": "after", "depends_on": ["bad"], "run_if": "ALL_DONE"},
        {"task_key": "good"},
        {"task_key": "bad", "depends_on": ["good"]},
    )
    seen = {"good": Seen(GOOD), "bad": Seen(BAD), "after": Seen(GOOD)}
    assert to_repair(settings, seen) == ["bad", "after"]


@pytest.mark.parametrize(
    ("states", "expected"),
    [([GOOD, GOOD], GOOD), ([GOOD, BAD], BAD), ([BAD, S.LOST], S.LOST), ([], GOOD)],
)
def test_a_loop_ends_as_its_iterations_did(states: list[S], expected: S) -> None:
    assert loop_state(states) is expected
