"""`make demo-databricks`: the Databricks half, with no account: sync, outage, recovery.

The workspace is the fake one of the tests, on a port of this machine; the server is a real one in
a process of its own, spoken to over stdio.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
from mcp import StdioServerParameters
from mcp.client import Client
from rich.console import Console

from tests.fakes.databricks.workspace import FakeWorkspace
from tests.server.asking import unmarked

_WAIT_S = 60
out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def say(title: str, *lines: str) -> None:
    out.print(f"\n[bold]{title}[/bold]")
    for line in lines:
        out.print(f"  {line}")


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        return {"error": unmarked(getattr(result.content[0], "text", ""))}
    return result.structured_content or {}


async def arrived(client: Client) -> dict[str, Any]:
    with anyio.fail_after(_WAIT_S):
        while True:
            status = await call(client, "sync_status")
            if not status["waiting"]:
                return status
            await anyio.sleep(0.3)


async def demo(workspace: FakeWorkspace, folder: Path) -> None:
    environment = {
        **os.environ,
        "SERVICETSUNAMI_DATA_DIR": str(folder / "lake"),
        "DATABRICKS_ENABLED": "true",
        "DATABRICKS_HOST": workspace.url,
        "DATABRICKS_TOKEN": workspace.token,
    }
    server = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "servicetsunami", "serve"], env=environment
    )
    async with Client(server) as client:
        rows = [{"order": n, "amount": n * 1.5} for n in range(1000)]
        await call(client, "ingest_dataset", source=rows, name="sales.orders")
        await arrived(client)
        say("1. A dataset of 1,000 rows was ingested here, and reached the workspace by itself:")
        show(workspace)
        question = "SELECT count(*) AS orders, sum(amount) AS total FROM sales.orders"
        for place in ("local", "databricks"):
            answer = await call(client, "query_dataset", sql=question, run_on=place)
            say(
                f"2. {question}", f"{answer['rows']}  ran on {answer['ran_on']}: {answer['reason']}"
            )
        answer = await call(client, "query_dataset", sql="SELECT max(miles) FROM samples.nyc.trips")
        say("3. A table that is only there:", f"{answer['rows']}  {answer['reason']}")
        pulled = await call(client, "ingest_dataset", source="databricks:samples.nyc.trips")
        say("4. The same table, copied here:", f"{pulled['rows_written']} rows in {pulled['name']}")
        await outage(client, workspace, question)


async def outage(client: Client, workspace: FakeWorkspace, question: str) -> None:
    workspace.down()
    for n in range(5):
        row = {"order": 1000 + n, "amount": 1.0}
        await call(client, "ingest_dataset", source=[row], name="sales.orders", mode="append")
    answer = await call(client, "query_dataset", sql=question)
    say(
        "5. The workspace refuses connections now. Five more changes, and a question:",
        f"{answer['rows']}  ran on {answer['ran_on']}",
    )
    lost = await call(client, "query_dataset", sql="SELECT * FROM samples.other.things")
    say("   What only the workspace could answer:", lost["error"])
    status = await call(client, "sync_status")
    say("   Waiting:", f"{status['waiting']} changes. {status['next']}")
    workspace.up()
    await call(client, "manage_sync", action="retry")
    await arrived(client)
    say("6. It is back, and everything has arrived, once and in order:")
    show(workspace)


def show(workspace: FakeWorkspace) -> None:
    for name, table in workspace.tables.items():
        if name.startswith("servicetsunami_"):
            out.print(f"  {name}: {len(workspace.rows(name))} rows, history {table.history}")


def main() -> None:
    say(
        "THIS WORKSPACE IS A FAKE: a stand-in on this machine that follows Databricks' public API.",
        "The server, its outbox and its queries are real. No account is used, nothing is sent.",
    )
    with tempfile.TemporaryDirectory(prefix="demo-databricks-") as name:
        folder = Path(name)
        with FakeWorkspace.running(folder / "workspace") as workspace:
            rows = {"trip": list(range(1000)), "miles": [n / 10 for n in range(1000)]}
            workspace.put_table("samples.nyc.trips", pa.table(rows))
            anyio.run(demo, workspace, folder)
    say("That was all; nothing of it is left.")


if __name__ == "__main__":
    main()
