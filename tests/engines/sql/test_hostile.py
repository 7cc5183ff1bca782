import socket
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from servicetsunami.errors import ServerError
from tests.engines.sql.asking import Asking
from tests.engines.sql.hostile import BOMBS, HEAVY, REFUSED

SECRET = "canary-4711"
TIMEOUT_S = 2.0
GRACE_S = 5.0
GROWTH_MAX_BYTES = 64_000_000


@pytest.fixture
async def asking(tmp_path):
    asking = Asking(tmp_path / "work")
    yield asking
    await asking.aclose()


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    for suffix in ("csv", "txt", "json"):
        path.with_suffix(f".{suffix}").write_text(f'{{"a": "{SECRET}"}}\n')
    pq.write_table(pa.table({"a": [SECRET]}), path.with_suffix(".parquet"))
    return path


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def own_memory_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def files_below(path: Path) -> dict[str, bytes]:
    return {str(found): found.read_bytes() for found in path.rglob("*") if found.is_file()}


async def outcome(asking: Asking, sql: str) -> str:
    """Answer the statement, and hold it to its time."""
    started = time.monotonic()
    try:
        said = str((await asking.ask(sql, timeout_s=TIMEOUT_S)).page.rows)
    except ServerError as error:
        said = str(error)
    took_s = time.monotonic() - started
    assert took_s < TIMEOUT_S + GRACE_S, sql[:200]
    return said


async def assert_harmless(asking, canary, listener, statements):
    out = canary.parent / "out"
    out.mkdir()
    before = files_below(canary.parent)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    await asking.ask("SELECT 1 AS a")
    memory = own_memory_bytes()
    for template in statements:
        sql = template
        for name, value in {"{canary}": canary, "{out}": out, "{url}": url}.items():
            sql = sql.replace(name, str(value))
        assert SECRET not in await outcome(asking, sql), sql[:200]
        assert (await asking.ask("SELECT 41 + 1 AS a")).page.rows == [[42]], sql[:200]
    assert own_memory_bytes() - memory < GROWTH_MAX_BYTES
    await asking.aclose()
    found = files_below(canary.parent).items()
    left = {name: data for name, data in found if "work" not in Path(name).parts}
    assert left == before
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.slow
async def test_no_statement_reads_or_writes_a_file_or_calls_out(asking, canary, listener):
    await assert_harmless(asking, canary, listener, REFUSED)


async def test_a_bomb_harms_only_its_own_process(asking, canary, listener):
    await assert_harmless(asking, canary, listener, BOMBS[:3])


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_no_bomb_is_felt_by_anybody_else(asking, canary, listener):
    await assert_harmless(asking, canary, listener, HEAVY)
