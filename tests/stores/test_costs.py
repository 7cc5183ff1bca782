from datetime import date, timedelta

import anyio

from servicetsunami.domain.budget import Budget
from servicetsunami.domain.cost import (
    CostLine,
    CostReport,
    Estimate,
    KnownCosts,
    Rate,
    RunCost,
    WorkTotals,
)
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.run import Run, RunState
from servicetsunami.domain.run_cost import PastRun
from servicetsunami.stores.database import Database
from tests.stores.values import NOON

HOUR = timedelta(hours=1)
REPORT = CostReport(
    since=date(2026, 11, 1),
    as_of=NOON,
    covered_until=NOON - HOUR,
    currency="EUR",
    lines=[
        CostLine(day=date(2026, 11, 2), product="SQL", dbus=1.5, list_cost=None, is_exact=False)
    ],
    rates={"w": Rate(dbus_per_s=0.25, list_per_dbu=None)},
    runs={"7": RunCost(dbus=0.5, list_cost=None)},
    workspace_id="4242",
    shared_error="No.",
)


def took(seconds: float, dbus: float | None = 1.0) -> Estimate:
    return Estimate(seconds=seconds, dbus=dbus, list_cost=None, basis="")


async def test_a_budget_is_set_replaced_and_cleared_for_its_tenant_alone(
    database: Database,
) -> None:
    async with database.begin() as transaction:
        await transaction.budgets.set("acme", Budget(dbus=5.0), at=NOON)
        await transaction.budgets.set("acme", Budget(list_cost=2.5), at=NOON)
        await transaction.budgets.set("other", Budget(run_seconds=1.0), at=NOON)

    async with database.begin() as transaction:
        assert await transaction.budgets.find("acme") == Budget(list_cost=2.5)
        assert list(await transaction.budgets.list()) == ["acme", "other"]
        assert await transaction.budgets.clear("acme")
        assert not await transaction.budgets.clear("acme")
        assert await transaction.budgets.find("acme") is None
        assert await transaction.budgets.find("other") == Budget(run_seconds=1.0)


async def test_a_bill_is_kept_as_it_was_read_and_an_error_takes_nothing_away(
    database: Database,
) -> None:
    async with database.begin() as transaction:
        assert await transaction.costs.find("acme") == KnownCosts()
        await transaction.costs.note_asked("acme", at=NOON)
        await transaction.costs.keep("acme", REPORT, at=NOON)
    async with database.begin() as transaction:
        assert await transaction.costs.find("acme") == KnownCosts(
            report=REPORT, tried_at=NOON, asked_at=NOON
        )
        await transaction.costs.fail("acme", {"why": "a", "next": "b"}, at=NOON + HOUR)
    async with database.read() as transaction:
        known = await transaction.costs.find("acme")
        assert (known.report, known.error) == (REPORT, {"why": "a", "next": "b"})
        assert known.tried_at == NOON + HOUR
        assert await transaction.costs.find("other") == KnownCosts()


async def test_one_server_at_a_time_reads_a_bill(database: Database) -> None:
    async with database.begin() as transaction:
        assert await transaction.costs.claim("acme", at=NOON, for_s=60)
        assert not await transaction.costs.claim("acme", at=NOON, for_s=60)
        assert await transaction.costs.claim("other", at=NOON, for_s=60)
        # Whoever took it on is gone: the next one may.
        assert await transaction.costs.claim("acme", at=NOON + HOUR, for_s=60)
        await transaction.costs.keep("acme", REPORT, at=NOON)
        assert await transaction.costs.claim("acme", at=NOON + HOUR, for_s=60)


async def test_what_was_read_meanwhile_is_not_read_once_more(database: Database) -> None:
    old = NOON - HOUR
    async with database.begin() as transaction:
        costs = transaction.costs
        assert await costs.claim("acme", at=NOON, for_s=60, tried_before=old)
        await costs.keep("acme", REPORT, at=NOON)
        assert not await costs.claim("acme", at=NOON, for_s=60, tried_before=old)
        assert await costs.claim("acme", at=NOON + 2 * HOUR, for_s=60, tried_before=NOON + HOUR)


async def test_work_counts_as_expected_until_it_has_ended(database: Database) -> None:
    async with database.begin() as transaction:
        work = transaction.remote_work
        number = await work.begin("acme", "w", took(10.0), at=NOON)
        await work.begin("other", "w", took(99.0), at=NOON)
        assert await work.totals("acme", since=NOON) == WorkTotals(
            statements=1, seconds=10.0, dbus=1.0, list_cost=0.0, unpriced=1
        )
        assert await work.earlier_seconds("acme", "w") == ()

        await work.end("other", number, took(1.0), at=NOON)
        assert await work.earlier_seconds("acme", "w") == ()
        await work.end("acme", number, took(4.0, None), at=NOON)

        assert await work.earlier_seconds("acme", "w") == (4.0,)
        assert await work.earlier_seconds("acme", "v") == ()
        assert (await work.totals("acme", since=NOON)).dbus == 0.0
        assert (await work.totals("acme", since=NOON + HOUR)).statements == 0
        await work.forget("acme", before=NOON + HOUR)
        assert (await work.totals("acme", since=NOON)).statements == 0
        assert (await work.totals("other", since=NOON)).statements == 1


async def test_who_locks_a_tenant_sees_what_those_before_have_noted(database: Database) -> None:
    begun = list[int]()

    async def begin_if_first() -> None:
        async with database.begin() as transaction:
            await transaction.tenants.lock("acme")
            if not (await transaction.remote_work.totals("acme", since=NOON)).statements:
                begun.append(await transaction.remote_work.begin("acme", "w", took(1.0), at=NOON))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(begin_if_first)

    assert len(begun) == 1


def run_there(id: str, state: RunState, **remote: object) -> Run:
    """A run on Databricks that took a minute."""
    return Run(
        id=id,
        tenant="acme",
        subject="acme",
        name="n",
        notebook=NotebookName("n"),
        revision=1,
        parameters={},
        state=state,
        ran_on="databricks",
        reason="",
        isolation=None,
        timeout_s=60.0,
        cells_total=1,
        created_at=NOON,
        started_at=NOON,
        ended_at=NOON + timedelta(minutes=1) if state.is_ended else None,
        remote=remote,
    )


async def test_runs_there_are_found_by_what_they_took_and_by_what_they_were_expected_to(
    database: Database,
) -> None:
    cost = {"dbus": 1.5, "list_cost": None}
    runs = [
        run_there("a", RunState.SUCCESS, run_id=11, source="a long text"),
        run_there("b", RunState.FAILED, run_id=12, cost=cost),
        run_there("c", RunState.RUNNING, run_id=13, cost={**cost, "list_cost": 2.0}),
        run_there("d", RunState.PENDING, cost=cost),
        # It was never begun there, so it will never cost anything.
        run_there("e", RunState.CANCELED, cost=cost),
        run_there("f", RunState.PENDING, cost={"dbus": None, "list_cost": None}),
    ]
    async with database.begin() as transaction:
        for run in runs:
            await transaction.runs.add(run)

    async with database.read() as transaction:
        past = await transaction.run_costs.past_there("acme", limit=10)
        expected = await transaction.run_costs.expected_there("acme", since=NOON)
        assert await transaction.run_costs.expected_there("acme", since=NOON + HOUR) == ()
        assert await transaction.run_costs.past_there("other", limit=10) == ()

    ended_at = NOON + timedelta(minutes=1)
    assert past == (
        PastRun(number="11", job_id=None, notebook="n", seconds=60.0, ended_at=ended_at),
    )
    assert sorted(expected, key=str) == [("12", 1.5, None), ("13", 1.5, 2.0), (None, 1.5, None)]
