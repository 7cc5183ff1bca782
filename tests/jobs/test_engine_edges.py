"""What the engine decides where things meet: late servers, cancelled trees, a failing database."""

from dataclasses import replace

import anyio
import pytest

from servicetsunami.domain.run import Run, TaskRun
from servicetsunami.domain.run import RunState as S
from servicetsunami.services import job_progress
from servicetsunami.services.job_records import new_run
from tests.jobs.engines import NOTHING, House, house
from tests.jobs.test_engine import CHAIN, HOURLY, states

EACH = {"task_key": "each", **NOTHING}
LOOP = {"task_key": "loop", "for_each_task": {"inputs": [1, 2], "concurrency": 2, "task": EACH}}
CALL = {"task_key": "go", "run_job_task": {"job_name": "other"}}


async def cancel(home: House, run: Run) -> list[str]:
    async with home.metadata.begin() as transaction:
        return await job_progress.cancel(transaction, run, at=home.clock.now)


async def claimed(home: House, run: Run) -> TaskRun:
    async with home.metadata.begin() as transaction:
        [task] = await transaction.run_tasks.claim(
            owner="late", at=home.clock.now, lease_s=30, count=1, per_tenant=8
        )
    assert task.run_id == run.id
    return task


async def test_what_can_never_run_ends_all_the_way_down(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.plans["a"] = [S.FAILED]
        further = [{"task_key": "c", "depends_on": ["b"]}, {"task_key": "d", "depends_on": ["c"]}]
        run = await home.run(await home.job(*CHAIN, *further))
        await home.until_ended(run, home.engine())
        ended = states(await home.tasks(run))
        assert [ended[key] for key in "abcd"] == ["FAILED", *["UPSTREAM_FAILED"] * 3]


@pytest.mark.slow
async def test_a_server_that_comes_too_late_begins_neither_a_loop_nor_a_job(
    database_url: str,
) -> None:
    async with house(database_url) as home:
        other = await home.job({"task_key": "x"}, name="other")
        looping = await home.run(await home.job(LOOP, name="looping"))
        loop = await claimed(home, looping)
        calling = await home.run(await home.job(CALL, name="calling"))
        call = await claimed(home, calling)
        home.clock.advance(seconds=31)
        engine = home.engine()
        for run in (looping, calling):
            assert (await home.until_ended(run, engine)).state is S.SUCCESS
        before = len(await home.runs())

        async with home.metadata.begin() as transaction:
            at = home.clock.now
            assert not await job_progress.begin_loop(transaction, loop, [1], owner="late", at=at)
            again = new_run(other, subject="me", parameters={}, at=at, trigger="run_job_task")
            assert not await job_progress.begin_child(
                transaction, call, again, other.settings, owner="late"
            )
        assert len(await home.runs()) == before


async def test_a_job_that_may_not_run_now_fails_the_task_that_wants_it(database_url: str) -> None:
    async with house(database_url) as home:
        other = await home.job({"task_key": "x"}, name="other")
        home.work.hanging = {"x"}
        await home.run(other)
        run = await home.run(await home.job(CALL))
        ended = await home.until_ended(run, home.engine())
        assert ended.state is S.FAILED
        assert "max_concurrent_runs" in str((await home.tasks(run))["go"].error)


async def test_the_parameters_of_a_job_reach_the_job_that_it_runs_and_win(
    database_url: str,
) -> None:
    async with house(database_url) as home:
        declared = {"day": "-", "own": "1"}
        await home.job({"task_key": "x"}, name="other", parameters=declared)
        call = {"job_name": "other", "job_parameters": {"day": "mon", "own": "2"}}
        parameters = {"day": "fri", "not known there": "x"}
        job = await home.job({"task_key": "go", "run_job_task": call}, parameters=parameters)
        await home.until_ended(await home.run(job, day="tue"), home.engine())
        [child] = [run for run in await home.runs() if run.name == "other"]
        assert child.parameters == {"day": "tue", "own": "2"}


async def test_cancelling_stops_the_whole_tree(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.hanging = {"x", "n"}
        await home.job({"task_key": "x"}, name="other")
        run = await home.run(await home.job(CALL, {"task_key": "n"}))
        engine = home.engine()
        engine.wake()
        await home.until_running(run, "n")
        async with home.metadata.begin() as transaction:
            notebook = replace(run, id="run-notebook", job_id=None, parent=run.id)
            await transaction.runs.add(notebook)
            task = (await transaction.run_tasks.of_keys(run.id, ["n"]))["n"]
            await transaction.run_tasks.note_child(task, owner=str(task.owner), child=notebook.id)
        [child] = await until_named(home, "other")
        await home.until_running(child, "x")

        assert set(await cancel(home, run)) == {run.id, child.id, notebook.id}
        for each in (run, child):
            assert (await home.until_ended(each)).state is S.CANCELED
        assert (await home.look(notebook)).cancel_requested
        assert await cancel(home, run) == []


async def test_a_child_that_has_ended_is_not_cancelled_again(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.hanging = {"n"}
        await home.job({"task_key": "x"}, name="other")
        run = await home.run(await home.job(CALL, {"task_key": "n"}))
        engine = home.engine()
        engine.wake()
        [child] = await until_named(home, "other")
        await home.until_ended(child)
        assert await cancel(home, run) == [run.id]
        assert (await home.until_ended(run)).state is S.CANCELED
        assert (await home.look(child)).state is S.SUCCESS


async def until_named(home: House, name: str) -> list[Run]:
    with anyio.fail_after(60):
        while not (found := [run for run in await home.runs() if run.name == name]):
            await anyio.lowlevel.checkpoint()
    return found


async def test_a_run_is_cancelled_in_the_queue(database_url: str) -> None:
    async with house(database_url) as home:
        job = await home.job({"task_key": "a"}, queue={"enabled": True})
        first, second = [await home.run(job) for _ in range(2)]
        assert await cancel(home, second) == [second.id]
        ended = await home.look(second)
        assert (ended.state, ended.error) == (S.CANCELED, "It was cancelled in the queue.")
        assert (await home.until_ended(first, home.engine())).state is S.SUCCESS


async def test_a_loop_that_is_cancelled_ends_once_and_with_what_runs_in_it(
    database_url: str,
) -> None:
    async with house(database_url) as home:
        home.work.hanging = {"loop[0]", "loop[1]"}
        run = await home.run(await home.job(LOOP, {"task_key": "b", "depends_on": ["loop"]}))
        engine = home.engine()
        engine.wake()
        await home.until_running(run, "loop")
        with anyio.fail_after(60):
            while "loop[1]" not in (tasks := await home.tasks(run)) or (
                tasks["loop[1]"].state is not S.RUNNING
            ):
                await anyio.lowlevel.checkpoint()
        await cancel(home, run)
        assert (await home.until_ended(run)).state is S.CANCELED
        assert set(states(await home.tasks(run)).values()) == {"CANCELED"}


@pytest.mark.slow
async def test_a_task_that_takes_too_long_times_out_and_is_tried_again_where_it_may(
    database_url: str,
) -> None:
    async with house(database_url) as home:
        home.work.hanging = {"a", "b"}
        again = {"max_retries": 1, "retry_on_timeout": True}
        tasks = [{"task_key": "a", "timeout_seconds": 1}, {"task_key": "b", "timeout_seconds": 1}]
        run = await home.run(await home.job(tasks[0], {**tasks[1], **again}))
        engine = home.engine()
        engine.wake()
        ended = await home.until_ended(run, engine)
        found = await home.tasks(run)
        assert ended.state is S.FAILED
        assert {key: (task.state, task.attempt) for key, task in found.items()} == {
            "a": (S.TIMEDOUT, 0),
            "b": (S.TIMEDOUT, 1),
        }


async def test_a_fire_time_that_comes_again_begins_nothing(database_url: str) -> None:
    async with house(database_url) as home:
        job = await home.job({"task_key": "a"}, schedule=HOURLY, max_concurrent_runs=10)
        home.clock.advance(minutes=61)
        engine = home.engine()
        await engine.look()
        async with home.metadata.begin() as transaction:
            # As a clock that was set back would have it.
            await transaction.jobs.update(replace(job, revision=2), base_revision=1)
        await engine.look()
        assert [run.due_at for run in await home.runs()] == [job.next_fire_at]


async def test_an_end_that_could_not_be_written_down_is_written_down_again(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(database_url) as home:
        home.work.before_end = lambda: setattr(home.clock, "failures", 2)
        run = await home.run(await home.job({"task_key": "a"}))
        engine = home.engine()
        await engine.look()
        ended = await home.until_ended(run)
        assert ended.state is S.SUCCESS
        assert home.work.done == ["a"]
        assert "was not noted" in caplog.text


async def test_leases_are_renewed_also_after_a_failure(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(database_url) as home:
        home.work.hanging = {"a"}
        run = await home.run(await home.job({"task_key": "a"}))
        engine = home.engine(lease_s=0.3)
        engine.wake()
        await home.until_running(run, "a")
        home.clock.failures = 3
        with anyio.fail_after(30):
            while "leases of tasks were not renewed" not in caplog.text:
                await anyio.lowlevel.checkpoint()
                home.clock.failures = max(home.clock.failures, 1)
        home.clock.failures = 0
        await cancel(home, run)
        assert (await home.until_ended(run)).state is S.CANCELED


async def test_a_server_that_claims_its_own_late_task_once_more_lives_on(
    database_url: str,
) -> None:
    async with house(database_url) as home:
        home.work.hanging = {"a"}
        run = await home.run(await home.job({"task_key": "a", "idempotent": True}))
        engine = home.engine()
        engine.wake()
        await home.until_running(run, "a")
        with anyio.fail_after(30):
            while home.work.at_once < 2:
                # Once more where the lease was renewed just before the look.
                home.clock.advance(seconds=31)
                await engine.look()
        await cancel(home, run)
        assert (await home.until_ended(run)).state is S.CANCELED
        with anyio.fail_after(30):
            while home.work.at_once:
                await anyio.lowlevel.checkpoint()
        another = await home.run(await home.job({"task_key": "b"}, name="another"))
        assert (await home.until_ended(another, engine)).state is S.SUCCESS


@pytest.mark.slow
async def test_nobody_stops_a_task_that_was_claimed_while_leases_were_renewed(
    database_url: str,
) -> None:
    async with house(database_url) as home:
        home.work.steps = 30
        run = await home.run(await home.job(*({"task_key": f"t{n}"} for n in range(150))))
        # Renewed all the time; on a clock that stands still no lease ever passes.
        home.engine(lease_s=0.003).wake()
        ended = await home.until_ended(run)
        assert ended.state is S.SUCCESS, states(await home.tasks(run))


async def test_a_server_that_stops_hands_back_what_may_be_begun_again(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.hanging = {"safe", "unsafe"}
        tasks = [{"task_key": "safe", "idempotent": True}, {"task_key": "unsafe"}]
        run = await home.run(await home.job(*tasks))
        async with house(database_url) as other:
            other.work = home.work
            other.engine().wake()
            await home.until_running(run, "safe")
            await home.until_running(run, "unsafe")
        stopped = states(await home.tasks(run))
        assert stopped == {"safe": "PENDING", "unsafe": "CANCELED"}
        home.work.hanging = set()
        await home.until_ended(run, home.engine())
        assert home.work.done == ["safe"]


@pytest.mark.slow
async def test_more_runs_than_definitions_are_kept_in_memory_still_end(database_url: str) -> None:
    async with house(database_url) as home:
        job = await home.job({"task_key": "a"}, max_concurrent_runs=100)
        runs = [await home.run(job) for _ in range(70)]
        engine = home.engine()
        for run in runs:
            assert (await home.until_ended(run, engine)).state is S.SUCCESS
