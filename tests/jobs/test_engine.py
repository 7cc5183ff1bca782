"""Runs of jobs go on whatever happens to servers, on both databases."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio.lowlevel import checkpoint

from servicetsunami.domain.run import RunState as S
from servicetsunami.services import job_progress
from tests.jobs.engines import House, house

CHAIN = [{"task_key": "a"}, {"task_key": "b", "depends_on": ["a"]}]
HOURLY = {"quartz_cron_expression": "0 0 * * * ?", "timezone_id": "UTC"}


def states(tasks: dict) -> dict[str, str]:
    return {key: task.state.value for key, task in tasks.items()}


async def lost(home: House, key: str) -> None:
    """Have a server claim that task, and be gone before it ends."""
    async with home.metadata.begin() as transaction:
        claimed = await transaction.run_tasks.claim(
            owner="gone", at=home.clock.now, lease_s=30, count=1, per_tenant=8
        )
    assert [task.key for task in claimed] == [key]


@pytest.mark.slow
async def test_a_dag_runs_in_its_order_shared_by_several_servers(database_url: str) -> None:
    async with house(database_url) as home:
        middle = [{"task_key": f"m{n}", "depends_on": ["first"]} for n in range(8)]
        last = {"task_key": "last", "depends_on": [task["task_key"] for task in middle]}
        run = await home.run(await home.job({"task_key": "first"}, *middle, last))
        ended = await home.until_ended(run, *(home.engine(slots=2) for _ in range(3)))

        assert ended.state is S.SUCCESS
        assert home.work.done[0] == "first"
        assert home.work.done[-1] == "last"
        assert len(home.work.done) == len(set(home.work.done)) == 10


async def test_a_failed_task_is_tried_again_after_its_interval(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.plans["a"] = [S.FAILED, S.TIMEDOUT, S.SUCCESS]
        task = {"task_key": "a", "max_retries": 2, "min_retry_interval_millis": 60_000}
        run = await home.run(await home.job({**task, "retry_on_timeout": True}))
        engine = home.engine()
        for tries in (1, 2):
            with anyio.fail_after(60):
                while (await home.tasks(run))["a"].state is not S.WAITING_FOR_RETRY:
                    await engine.look()
                    await checkpoint()
            assert len(home.work.done) == tries
            home.clock.advance(seconds=61)
            await engine.look()
            with anyio.fail_after(60):
                while len(home.work.done) == tries:
                    await checkpoint()
        ended = await home.until_ended(run, engine)
        assert ended.state is S.SUCCESS
        assert (await home.tasks(run))["a"].attempt == 2


@pytest.mark.slow
async def test_what_follows_a_failure_says_so_and_a_repair_runs_only_that(
    database_url: str,
) -> None:
    async with house(database_url) as home:
        home.work.plans["b"] = [S.FAILED]
        run = await home.run(await home.job(*CHAIN, {"task_key": "c", "depends_on": ["b"]}))
        engine = home.engine()
        ended = await home.until_ended(run, engine)
        assert (ended.state, ended.error) == (S.FAILED, "Task b ended as FAILED.")
        assert states(await home.tasks(run))["c"] == "UPSTREAM_FAILED"

        async with home.metadata.begin() as transaction:
            again = await job_progress.repair(transaction, ended, at=home.clock.now)
        assert again == ["b", "c"]
        repaired = await home.until_ended(run, engine)
        assert (repaired.state, repaired.repairs) == (S.SUCCESS, 1)
        assert home.work.done == ["a", "b", "b", "c"]


@pytest.mark.parametrize(
    ("more", "state", "done"),
    [({}, S.LOST, []), ({"idempotent": True}, S.SUCCESS, ["a", "b"])],
)
async def test_a_task_whose_server_is_gone_is_lost_unless_it_may_be_run_again(
    database_url: str, more: dict, state: S, done: list[str]
) -> None:
    async with house(database_url) as home:
        run = await home.run(await home.job({"task_key": "a", **more}, CHAIN[1]))
        await lost(home, "a")
        engine = home.engine()
        await engine.look()
        assert (await home.look(run)).state is S.RUNNING
        home.clock.advance(seconds=31)

        ended = await home.until_ended(run, engine)
        assert (ended.state, home.work.done) == (state, done)


async def test_a_late_server_changes_nothing(database_url: str) -> None:
    async with house(database_url) as home:
        run = await home.run(await home.job({"task_key": "a"}))
        async with home.metadata.begin() as transaction:
            [task] = await transaction.run_tasks.claim(
                owner="late", at=home.clock.now, lease_s=30, count=1, per_tenant=8
            )
        home.clock.advance(seconds=31)
        await home.until_ended(run, home.engine())
        good = job_progress.TaskResult(state=S.SUCCESS)
        async with home.metadata.begin() as transaction:
            assert not await job_progress.finish(
                transaction, task, good, owner="late", at=home.clock.now
            )
        assert (await home.look(run)).state is S.LOST


@pytest.mark.slow
async def test_a_loop_runs_each_input_with_so_many_at_once(database_url: str) -> None:
    async with house(database_url) as home:
        each = {
            "task_key": "each",
            "spark_python_task": {"code": "pass", "parameters": ["{{input}}"]},
        }
        loop = {"inputs": [1, 2, 3, 4, 5], "concurrency": 2, "task": each}
        home.work.plans["loop[3]"] = [S.FAILED]
        job = await home.job({"task_key": "loop", "for_each_task": loop})
        run, engine = await home.run(job), home.engine()
        ended = await home.until_ended(run, engine)

        assert ended.state is S.FAILED
        assert sorted(home.work.done) == [f"loop[{n}]" for n in range(5)]
        assert home.work.at_once_max == 2
        assert (await home.tasks(run))["loop"].error == "1 of 5 iterations did not succeed."

        async with home.metadata.begin() as transaction:
            await job_progress.repair(transaction, ended, at=home.clock.now)
        assert (await home.until_ended(run, engine)).state is S.SUCCESS
        assert home.work.done[5:] == ["loop[3]"]


async def test_an_empty_loop_succeeds(database_url: str) -> None:
    async with house(database_url) as home:
        each = {
            "task_key": "each",
            "spark_python_task": {"code": "pass", "parameters": ["{{input}}"]},
        }
        loop = {"task_key": "loop", "for_each_task": {"inputs": "[]", "task": each}}
        run = await home.run(await home.job(loop))
        assert (await home.until_ended(run, home.engine())).state is S.SUCCESS


async def test_a_job_runs_another_and_fails_with_it(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.plans["inner"] = [S.FAILED]
        await home.job({"task_key": "inner"}, name="other")
        run = await home.run(
            await home.job({"task_key": "go", "run_job_task": {"job_name": "other"}})
        )
        ended = await home.until_ended(run, home.engine())
        task = (await home.tasks(run))["go"]
        assert (ended.state, task.error) == (S.FAILED, "Task inner ended as FAILED.")
        assert task.child in {each.id for each in await home.runs()}


@pytest.mark.slow
async def test_jobs_that_run_each_other_in_a_circle_end(database_url: str) -> None:
    async with house(database_url) as home:
        job = await home.job(
            {"task_key": "go", "run_job_task": {"job_name": "j"}}, max_concurrent_runs=100
        )
        run = await home.run(job)
        assert (await home.until_ended(run, home.engine())).state is S.FAILED
        assert len(await home.runs()) <= 12


@pytest.mark.slow
async def test_runs_over_the_limit_are_skipped_or_wait_in_the_queue(database_url: str) -> None:
    async with house(database_url) as home:
        strict = await home.job({"task_key": "a"}, name="strict")
        patient = await home.job({"task_key": "a"}, name="patient", queue={"enabled": True})
        begun = [await home.run(job) for job in (strict, strict, patient, patient)]
        assert [run.state for run in begun] == [S.RUNNING, S.SKIPPED, S.RUNNING, S.QUEUED]
        assert "max_concurrent_runs" in str(begun[1].error)
        assert (await home.until_ended(begun[3], home.engine())).state is S.SUCCESS


async def test_a_tenant_has_no_more_tasks_at_once_than_its_limit(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.hanging = {f"t{n}" for n in range(6)}
        run = await home.run(await home.job(*({"task_key": f"t{n}"} for n in range(6))))
        for engine in (home.engine(per_tenant=3), home.engine(per_tenant=3)):
            await engine.look()
        running = [task for task in (await home.tasks(run)).values() if task.state is S.RUNNING]
        assert len(running) == 3


async def test_a_cancelled_run_stops_what_runs_and_begins_nothing_more(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.hanging = {"a"}
        run = await home.run(await home.job(*CHAIN))
        engine = home.engine()
        engine.wake()
        await home.until_running(run, "a")
        async with home.metadata.begin() as transaction:
            assert await job_progress.cancel(transaction, run, at=home.clock.now) == [run.id]
        ended = await home.until_ended(run)
        assert ended.state is S.CANCELED
        assert states(await home.tasks(run)) == {"a": "CANCELED", "b": "CANCELED"}
        assert home.work.done == []


async def test_a_run_that_takes_too_long_times_out(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.hanging = {"a"}
        run = await home.run(await home.job(*CHAIN, timeout_seconds=60))
        engine = home.engine(lease_s=3600)
        engine.wake()
        await home.until_running(run, "a")
        home.clock.advance(seconds=61)
        ended = await home.until_ended(run, engine)
        assert (ended.state, ended.error) == (S.TIMEDOUT, "It did not end within 60 s.")


async def test_a_schedule_fires_once_with_many_servers_and_makes_up_for_missed_times_once(
    database_url: str,
) -> None:
    async with house(database_url) as home:
        await home.job({"task_key": "a"}, schedule=HOURLY, max_concurrent_runs=10)
        engines = [home.engine() for _ in range(3)]

        async def all_look() -> None:
            async with anyio.create_task_group() as tasks:
                for engine in engines:
                    tasks.start_soon(engine.look)

        await all_look()
        assert await home.runs() == []
        home.clock.advance(minutes=60)
        await all_look()
        home.clock.advance(hours=5)
        await all_look()
        home.clock.advance(minutes=10)
        await all_look()
        due = sorted(run.due_at for run in await home.runs() if run.due_at)
        noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
        assert due == [noon + timedelta(hours=1), noon + timedelta(hours=2)]
        assert {run.trigger for run in await home.runs()} == {"schedule"}


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)])
async def test_a_clock_that_jumps_neither_doubles_nor_loses_a_fire(
    database_url: str, jump: timedelta
) -> None:
    async with house(database_url) as home:
        await home.job({"task_key": "a"}, schedule=HOURLY, max_concurrent_runs=10)
        engine = home.engine()
        for minutes in (61, 60):
            home.clock.advance(minutes=minutes)
            await engine.look()
        home.clock.now += jump
        for _ in range(5):
            await engine.look()
            home.clock.advance(minutes=30)
        due = [run.due_at for run in await home.runs()]
        assert len(due) == len(set(due))
        hours = sorted(at.hour for at in due if at)
        assert hours == list(range(13, 13 + len(hours)))


async def test_a_bug_fails_its_task_alone_and_is_not_shown(database_url: str) -> None:
    async with house(database_url) as home:
        home.work.bugs = {"a"}
        run = await home.run(await home.job({"task_key": "a"}, {"task_key": "b"}))
        ended = await home.until_ended(run, home.engine())
        assert states(await home.tasks(run)) == {"a": "FAILED", "b": "SUCCESS"}
        assert ended.state is S.FAILED
        assert "secret" not in str((await home.tasks(run))["a"].error)


async def test_a_paused_schedule_does_not_fire(database_url: str) -> None:
    async with house(database_url) as home:
        await home.job({"task_key": "a"}, schedule={**HOURLY, "pause_status": "PAUSED"})
        home.clock.advance(hours=3)
        await home.engine().look()
        assert await home.runs() == []
