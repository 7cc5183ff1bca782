"""Long work tells how far it is; short work does not bother anybody."""

import pytest
from mcp.client import Client

SLOW = "SELECT sum(a.id * b.id) FROM range(100000) a, range(60000) b"


async def seen_while_asking(client: Client, sql: str) -> list[tuple[float, float | None, str]]:
    seen = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message or ""))

    await client.call_tool("query_dataset", {"sql": sql, "timeout_s": 5}, progress_callback=note)
    return seen


@pytest.mark.slow
async def test_a_query_of_more_than_two_seconds_reports_its_progress(client: Client) -> None:
    seen = await seen_while_asking(client, SLOW)

    assert seen
    assert all(total == 100 and 0 <= done <= 100 for done, total, _ in seen)


async def test_a_short_query_reports_nothing(client: Client) -> None:
    assert await seen_while_asking(client, "SELECT 1") == []
