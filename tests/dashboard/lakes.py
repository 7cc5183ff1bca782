"""Lakes to look at: the demo's flights with notebooks, jobs and runs, and one of many names."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mcp.client import Client

from servicetsunami.cli import demo_data
from servicetsunami.domain.caller import LOCAL_TENANT
from servicetsunami.domain.usage import UsageEvent
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.visibility import only
from tests.fakes.databricks import FakeWorkspace
from tests.server.asking import call

CATALOG = "servicetsunami_local"
WAIT_S = 60
DELAYS = """\
# Databricks notebook source
# MAGIC %md
# MAGIC ## How late are flights, hour by hour?

# COMMAND ----------
late = lake.sql("SELECT hour, count(*) AS flights, round(avg(dep_delay), 1) AS mean_delay_min "
                "FROM flights GROUP BY hour HAVING count(*) > 100 ORDER BY hour")
display(late)

# COMMAND ----------
worst = late.sort_values("mean_delay_min").iloc[-1]
print(f"Worst hour: {int(worst.hour)}:00, {worst.mean_delay_min} min late on average")
"""
CHECK = """\
# Databricks notebook source
missing = lake.sql("SELECT count(*) AS n FROM flights WHERE dep_time IS NULL").n[0]
assert missing < 100, f"{missing} flights have no departure time"
"""
MARKUP = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
BAD = f"""\
import pandas
from IPython.display import HTML, Image
import base64
print({MARKUP!r})
display(HTML({MARKUP!r}))
display(pandas.DataFrame({{"a": [{MARKUP!r}], "b": [None]}}))
display(Image(base64.b64decode("{PIXEL}")))
raise ValueError({MARKUP!r})
"""
SLOW = "import time\nprint('begun', flush=True)\ntime.sleep(120)\n"
SUMMARY = """\
CREATE OR REPLACE TABLE daily AS
SELECT month, day, count(*) AS flights FROM flights GROUP BY ALL"""
DAILY = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "America/New_York"}
NOTES = [
    {
        "id": 1,
        "title": "De-icing",
        "text": "Aircraft are de-iced before departure in frost.",
    },
    {"id": 2, "title": "Ground stop", "text": "A ground stop holds departures to a full airport."},
    {"id": 3, "title": "Crosswind", "text": "Strong crosswinds close the shorter runways."},
]


async def fill(client: Client, workspace: FakeWorkspace | None = None) -> None:
    """The flights of the demo, two notebooks, two jobs with runs, an index; some in trouble."""
    folder = demo_data.data_folder()
    absent = {"null_values": ["NA", ""]}
    for name, file in reversed(demo_data.FILES.items()):
        source = str(folder / file)
        await call(client, "ingest_dataset", source=source, name=name, options=absent)
    await call(client, "index_documents", index="notes", source=NOTES)
    await call(client, "save_notebook", name="reports/delays", content=DELAYS)
    await call(client, "save_notebook", name="checks/completeness", content=CHECK)
    await _jobs(client)
    if workspace is not None:
        await _trouble(client, workspace)


async def _jobs(client: Client) -> None:
    summary = {"task_key": "summary", "sql_task": {"statement": SUMMARY}}
    report = {
        "task_key": "report",
        "depends_on": [{"task_key": "summary"}],
        "notebook_task": {"notebook_path": "reports/delays"},
    }
    check = {"task_key": "check", "notebook_task": {"notebook_path": "checks/completeness"}}
    tasks = [summary, report]
    await call(client, "create_job", name="daily summary", schedule=DAILY, tasks=tasks)
    limit = {"limit": "100"}
    await call(client, "create_job", name="completeness", parameters=limit, tasks=[check])
    for name in ("daily summary", "completeness", "daily summary", "completeness"):
        await call(client, "run_job", name=name)
    await call(client, "run_notebook", name="reports/delays")


async def _trouble(client: Client, workspace: FakeWorkspace) -> None:
    """One table was changed there, and the workspace is down when the next change comes."""
    await until_sent(client)
    workspace.execute(f"DELETE FROM {CATALOG}.default.planes WHERE tailnum = 'N10156'")
    more = [{"tailnum": "N999ZZ", "year": 2013, "manufacturer": "EMBRAER"}]
    await call(client, "ingest_dataset", source=more, name="planes", mode="append")
    await until_sent(client)


async def until_sent(client: Client) -> None:
    """Wait until nothing waits but what is parked."""
    ends_at = time.monotonic() + WAIT_S
    while time.monotonic() < ends_at:
        status = await call(client, "sync_status")
        if status["waiting"] <= status["parked"]:
            return
    raise AssertionError(status)


async def fill_badly(client: Client, workspace: FakeWorkspace, catalog: str) -> None:
    """Little of everything, with names and outputs that would like to be markup."""
    rows = [{"id": n, "note": MARKUP} for n in range(3)]
    for name in ("orders", "refunds"):
        await call(client, "ingest_dataset", source=rows, name=name)
    await call(client, "index_documents", index="notes", source=NOTES)
    await call(client, "save_notebook", name="bad/outputs", content=BAD)
    await call(client, "save_notebook", name="slow", content=SLOW)
    slow = {"task_key": "wait", "notebook_task": {"notebook_path": "slow"}}
    quick = {"task_key": "count", "sql_task": {"statement": "SELECT count(*) AS n FROM orders"}}
    bad = {"task_key": "fail", "notebook_task": {"notebook_path": "bad/outputs"}}
    await call(client, "create_job", name="slow job", tasks=[slow])
    await call(client, "create_job", name="quick job", tasks=[quick], schedule=DAILY)
    await call(client, "create_job", name=MARKUP, tasks=[bad])
    await call(client, "run_job", name=MARKUP)
    await call(client, "run_job", name="quick job")
    await until_sent(client)
    workspace.execute(f"DELETE FROM {catalog}.default.refunds WHERE id = 1")
    await call(client, "ingest_dataset", source=rows, name="refunds", mode="append")
    await until_sent(client)


async def put_calls(url: str, days: int, calls: Callable[[int], int]) -> None:
    """Calls of days that have passed: nobody waits for a week to see a chart."""
    now = datetime.now(UTC)
    events = [
        UsageEvent(
            tenant=LOCAL_TENANT,
            subject="agent",
            tool=("query_dataset", "describe_asset", "run_job")[number % 3],
            ok=number % 17 != 0,
            rows=number % 200,
            size_bytes=0,
            seconds=0.02,
            created_at=now - timedelta(days=day, seconds=number),
        )
        for day in range(1, days + 1)
        for number in range(calls(day))
    ]
    metadata = Metadata(url)
    with only(LOCAL_TENANT):
        async with metadata.begin() as transaction:
            await transaction.usage.add(events)
    await metadata.close()


def copy_dataset(data_dir: Path, tenant: str, *, copies: int) -> None:
    """Records of as many more datasets as the one that the tenant has; they have no files."""
    other = {"id": "lower(hex(randomblob(16)))", "table_name": "printf('table_%05d', n)"}
    with closing(sqlite3.connect(data_dir / "metadata.db")) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(datasets)")]
        values = [other.get(name, name) for name in columns]
        connection.execute(
            f"WITH RECURSIVE numbers(n) AS "
            f"(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {copies}) "
            f"INSERT INTO datasets ({', '.join(columns)}) "
            f"SELECT {', '.join(values)} FROM datasets, numbers WHERE tenant = ?",
            (tenant,),
        )


def database(data_dir: Path) -> str:
    """Where a server that has this data directory keeps its records."""
    return f"sqlite+aiosqlite:///{data_dir / 'metadata.db'}"
