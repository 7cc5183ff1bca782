import json
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from servicetsunami.domain.dataset import Column, Snapshot
from servicetsunami.engines.sql.engine import PageOptions
from servicetsunami.errors import (
    InvalidInput,
    LimitExceeded,
    NotFound,
    SqlFailed,
    SqlRefused,
    TimedOut,
)
from tests.engines.sql.asking import NOW, Asking

SLOW = "SELECT sum(a.id * b.id) AS s FROM range(10000000) a CROSS JOIN range(10000000) b"


@pytest.fixture
async def asking(tmp_path):
    asking = Asking(tmp_path)
    yield asking
    await asking.aclose()


def table_of(path: Path, columns: dict[str, str], **values) -> Snapshot:
    pq.write_table(pa.table(values), path)
    return Snapshot(
        version=0,
        created_at=NOW,
        columns=tuple(Column(name=name, type=kind) for name, kind in columns.items()),
        files=(str(path),),
        row_count=0,
        size_bytes=0,
    )


def add_orders(asking: Asking, tmp_path: Path) -> None:
    asking.tables["default.orders"] = table_of(
        tmp_path / "orders.parquet",
        {"id": "bigint", "city": "string"},
        id=list(range(5_000)),
        city=[["Rome", "Oslo"][at % 2] for at in range(5_000)],
    )


def children_of(pid: int) -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(path.parent.name))
    return found


async def one_has_ended(children: set[int], parent: int) -> None:
    with anyio.fail_after(2):
        while len(children - children_of(parent)) != 1:
            await anyio.lowlevel.checkpoint()


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_a_question_without_tables_is_answered_with_names_and_types(asking):
    result = await asking.ask("SELECT 1 AS one, 'x' AS text, CAST(2.50 AS DECIMAL(5,2)) AS price")

    assert [(c.name, c.type) for c in result.columns] == [
        ("one", "int"),
        ("text", "string"),
        ("price", "decimal(5,2)"),
    ]
    assert result.page.rows == [[1, "x", "2.50"]]
    assert (result.row_count, result.limit, result.path) == (1, None, None)


async def test_a_table_is_read_from_the_files_of_its_snapshot(asking, tmp_path):
    add_orders(asking, tmp_path)
    result = await asking.ask("SELECT city, count(*) AS n FROM orders GROUP BY city ORDER BY city")

    assert result.page.rows == [["Oslo", 2500], ["Rome", 2500]]


async def test_the_same_statement_can_be_asked_again_with_other_parameters(asking, tmp_path):
    add_orders(asking, tmp_path)
    sql = "SELECT max(id) AS m FROM orders WHERE city = :city"

    assert (await asking.ask(sql, {"city": "Rome"})).page.rows == [[4998]]
    assert (await asking.ask(sql, {"city": "Oslo"})).page.rows == [[4999]]
    assert (await asking.ask(sql, {"city": "Rome"})).page.rows == [[4998]]


async def test_a_statement_tells_its_tables_and_parameters_before_it_runs(asking):
    question = asking.question("SELECT * FROM sales.orders VERSION AS OF 3 WHERE id = :id")
    async with asking.engine.session(question) as session:
        begun = await session.begin()

    [table] = begun.admitted.tables
    assert (table.name, table.version) == ("sales.orders", 3)
    assert (begun.admitted.parameters, begun.result) == (("id",), None)


async def test_the_columns_of_a_query_are_known_without_running_it(asking, tmp_path):
    add_orders(asking, tmp_path)
    question = asking.question("SELECT id * 2 AS twice, city FROM orders")
    async with asking.engine.session(question) as session:
        [table] = (await session.begin()).admitted.tables
        columns = await session.describe({table.view: asking.tables["default.orders"]})

    assert [(c.name, c.type) for c in columns] == [("twice", "bigint"), ("city", "string")]


async def test_two_tenants_with_a_table_of_one_name_see_their_own(tmp_path):
    asking = Asking(tmp_path, workers_max=1)
    for tenant, value in (("a", 1), ("b", 2), ("a", 1)):
        snapshot = table_of(tmp_path / f"{tenant}.parquet", {"x": "bigint"}, x=[value])
        asking.tables["default.t"] = snapshot
        assert (await asking.ask("SELECT x FROM t", tenant=tenant)).page.rows == [[value]]
    await asking.aclose()


async def test_every_row_of_a_large_result_comes_on_exactly_one_page(asking):
    sql = "SELECT id, concat('row ', id) AS t FROM range(30000) ORDER BY id"
    result = await asking.ask(sql)
    rows, offset = list(result.page.rows), result.page.next_offset
    options = PageOptions(rows_max=5_000, tokens_max=100_000)
    while offset is not None:
        page = await asking.engine.page(result.path, offset=offset, options=options, tenant="local")
        rows += page.rows
        offset = page.next_offset

    assert rows == [[at, f"row {at}"] for at in range(30_000)]
    assert (result.row_count, page.row_count, page.columns) == (30_000, 30_000, result.columns)


async def test_a_row_limit_is_flagged_and_never_silent(asking):
    result = await asking.ask("SELECT id FROM range(50000)", rows_max=10_000)

    assert (result.row_count, result.limit) == (10_000, "rows")


async def test_a_statement_that_is_no_reading_is_refused(asking):
    with pytest.raises(SqlRefused):
        await asking.ask("DROP TABLE orders")


async def test_an_unknown_column_names_those_there_are(asking, tmp_path):
    add_orders(asking, tmp_path)
    with pytest.raises(InvalidInput, match="city"):
        await asking.ask("SELECT town FROM orders")


async def test_a_failure_in_the_middle_of_a_result_leaves_nothing_behind(asking, tmp_path):
    with pytest.raises(SqlFailed, match="ivision by zero"):
        await asking.ask("SELECT 1 / (id - 40000) AS x FROM range(50000)")

    assert not list(tmp_path.glob("*.arrow*"))
    assert (await asking.ask("SELECT 1 AS a")).page.rows == [[1]]


async def test_files_that_were_cleared_away_are_named_as_such(asking, tmp_path):
    add_orders(asking, tmp_path)
    (tmp_path / "orders.parquet").unlink()
    with pytest.raises(NotFound, match="no longer on disk"):
        await asking.ask("SELECT * FROM orders")


async def test_lack_of_memory_is_an_answer_and_the_next_question_works(asking):
    with pytest.raises(LimitExceeded, match="memory"):
        await asking.ask("SELECT length(repeat('x', 2000000000)) AS n")

    assert (await asking.ask("SELECT 1 AS a")).page.rows == [[1]]


async def test_a_time_out_stops_the_process_that_worked(asking):
    await asking.ask("SELECT 1 AS a")
    before = children_of(asking.zygote.pid)
    with pytest.raises(TimedOut):
        await asking.ask(SLOW, timeout_s=0.5)

    await one_has_ended(before, asking.zygote.pid)
    assert (await asking.ask("SELECT 1 AS a")).page.rows == [[1]]


async def test_a_cancelled_question_stops_its_process_within_two_seconds(asking):
    await asking.ask("SELECT 1 AS a")
    before = children_of(asking.zygote.pid)
    started = time.monotonic()
    with anyio.move_on_after(0.5) as scope:
        await asking.ask(SLOW)

    assert scope.cancelled_caught
    assert time.monotonic() - started < 2.5
    await one_has_ended(before, asking.zygote.pid)


async def test_a_short_question_is_answered_while_a_long_one_runs(asking):
    await asking.ask("SELECT 1 AS a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asking.ask, SLOW)
        for number in range(5):
            result = await asking.ask(f"SELECT {number} AS a")
            assert result.page.rows == [[number]]
        tasks.cancel_scope.cancel()


async def test_long_work_reports_its_progress(asking):
    reports = []
    with pytest.raises(TimedOut):
        await asking.ask(SLOW, timeout_s=1.8, on_progress=reports.append)

    assert reports
    assert set(reports[0]) == {"percent"}


def test_the_server_side_imports_no_engine():
    code = (
        "import json, sys; import servicetsunami.engines.sql.engine;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))

    assert not loaded & {"duckdb", "_duckdb", "pyarrow", "numpy", "pandas", "sqlglot", "deltalake"}


async def test_the_children_get_nothing_of_the_environment(asking, monkeypatch):
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-secret")
    await asking.ask("SELECT 1 AS a")

    pids = (asking.zygote.pid, *children_of(asking.zygote.pid))
    assert not any(b"dapi-secret" in environment_of(pid) for pid in pids)
