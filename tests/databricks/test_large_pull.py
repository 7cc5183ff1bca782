"""Ten million rows are pulled with the memory of one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from tests.databricks.connecting import environment
from tests.fakes.databricks import FakeWorkspace
from tests.fakes.databricks.sql import tables
from tests.fakes.databricks.state import FakeTable, TableVersion
from tests.server.processes import Server

MEBIBYTES_MAX = 600


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path / "workspace") as running:
        running.sql.chunk_rows = 50_000
        yield running


def put_rows(workspace: FakeWorkspace, name: str, count: int) -> None:
    path = tables.new_file(workspace.state)
    with duckdb.connect() as db:
        db.execute(
            f"COPY (SELECT i AS id, i % 1000 AS part, 'some text ' || i AS words "
            f"FROM range({count}) t(i)) TO '{path}' (FORMAT parquet)"
        )
    columns = [("id", "bigint"), ("part", "bigint"), ("words", "string")]
    version = TableVersion(columns, [path], "WRITE", workspace.state.clock())
    table = FakeTable(f"main.default.{name}", [version])
    workspace.state.catalogs["main"].schemas["default"].tables[name] = table


def peak_mebibytes(server: Server) -> int:
    """The largest that the server or one of its children has been."""
    root = psutil.Process(server.process.pid)
    peaks = []
    for process in (root, *root.children(recursive=True)):
        status = Path(f"/proc/{process.pid}/status").read_text()
        peaks.append(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024)
    return max(peaks)


def pulled(server: Server, source: str) -> dict[str, Any]:
    """What came of a pull, which goes on as a run where it takes more than 20 s."""
    report = server.call("ingest_dataset", source=source)
    while run_id := report.get("run_id"):
        run = server.call("get_run", run_id=run_id)["run"]
        if run["state"] not in {"PENDING", "RUNNING"}:
            return run["answer"]
    return report


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(600)
def test_memory_is_flat_from_one_to_ten_million_rows(
    tmp_path: Path, workspace: FakeWorkspace
) -> None:
    roots, peaks = tmp_path / "files", []
    roots.mkdir()
    for count in (1_000_000, 10_000_000):
        name = f"rows_{count}"
        put_rows(workspace, name, count)
        server = Server(tmp_path / f"data{count}", roots, **environment(workspace))
        report = pulled(server, f"databricks:main.default.{name}")
        assert report["rows_written"] == count
        peaks.append(peak_mebibytes(server))
        [[found, ids]] = server.call(
            "query_dataset", sql=f"SELECT count(*), count(DISTINCT part) FROM {name}"
        )["rows"]
        assert (found, ids) == (count, 1000)
        server.close()

    assert peaks[1] < MEBIBYTES_MAX
    assert peaks[1] < peaks[0] * 1.25 + 50
