"""MERGE of a job leaves the rows that DuckDB's own MERGE leaves, and refuses what Delta refuses."""

import duckdb
import pytest
from mcp.client import Client

from tests.jobs.test_jobs import run, sql
from tests.server.asking import ask

TARGET = (
    "SELECT * FROM VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', NULL), (NULL, 'n', 40), (9, 'z', 90)"
    " AS t(k, v, w)"
)
SOURCE = (
    "SELECT * FROM VALUES (2, 'B', 2), (3, 'C', NULL), (4, 'D', 4), (NULL, 'N', 0) AS s(k, v, w)"
)
ON = "MERGE INTO t USING s ON t.k = s.k"
MERGES = {
    "upsert": f"{ON} WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
    "insert only": f"{ON} WHEN NOT MATCHED THEN INSERT (v, k) VALUES (upper(s.v), s.k)",
    "update only": f"{ON} WHEN MATCHED AND s.w > 0 THEN UPDATE SET w = t.w + s.w, v = 'new'",
    "delete": f"{ON} WHEN MATCHED AND t.v = 'b' THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v",
    "in order": (
        f"{ON} WHEN MATCHED AND s.w IS NULL THEN UPDATE SET w = 0 WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED AND s.k > 3 THEN INSERT (k) VALUES (s.k) WHEN NOT MATCHED THEN INSERT *"
    ),
    "by source": (
        f"{ON} WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED BY SOURCE AND k = 9 "
        "THEN DELETE WHEN NOT MATCHED BY SOURCE THEN UPDATE SET w = w + 1"
    ),
    "another alias": (
        "MERGE INTO t AS a USING (SELECT k, max(v) AS v, sum(w) AS w FROM s GROUP BY k) AS b "
        "ON a.k = b.k AND b.w > 1 WHEN MATCHED THEN UPDATE SET a.v = b.v "
        "WHEN NOT MATCHED BY TARGET THEN INSERT (k, v, w) VALUES (b.k, b.v, b.w)"
    ),
}


def by_duckdb(statement: str) -> list[tuple[object, ...]]:
    """The same statement by DuckDB, but for the two words that it does not have."""
    with duckdb.connect() as db:
        for name, rows in (("t", TARGET), ("s", SOURCE)):
            values = rows.partition("VALUES ")[2].partition(f" AS {name}")[0]
            db.execute(f"CREATE TABLE {name} AS SELECT * FROM (VALUES {values}) AS x(k, v, w)")
        text = statement.replace("UPDATE SET *", "UPDATE SET k = s.k, v = s.v, w = s.w")
        text = text.replace("INSERT *", "INSERT (k, v, w) VALUES (s.k, s.v, s.w)")
        db.execute(text.replace("SET a.v", "SET v"))
        return db.execute("SELECT * FROM t ORDER BY ALL").fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("kind", MERGES, ids=str)
async def test_a_merge_leaves_what_duckdb_leaves(client: Client, kind: str) -> None:
    found = await run(
        client,
        sql("t", f"CREATE TABLE t AS {TARGET}"),
        sql("s", f"CREATE TABLE s AS {SOURCE}"),
        sql("merge", MERGES[kind], "t", "s"),
    )

    assert found["state"] == "SUCCESS", found
    rows = await ask(client, "SELECT k, v, w FROM t ORDER BY k NULLS LAST, v, w")
    key = lambda row: (row[0] is None, row[0] or 0, str(row[1]), row[2] or 0)  # noqa: E731
    assert sorted(map(tuple, rows), key=key) == sorted(by_duckdb(MERGES[kind]), key=key)


async def test_what_a_merge_cannot_do_is_named(client: Client) -> None:
    twice = "(SELECT 2 AS k, 'x' AS v UNION ALL SELECT 2, 'y') AS s"
    refused = {
        "twice": (
            f"MERGE INTO t USING {twice} ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v",
            "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
        ),
        "column": (f"{ON} WHEN MATCHED THEN UPDATE SET nothing = 1", "which t has not"),
        "count": (f"{ON} WHEN NOT MATCHED THEN INSERT (k, v) VALUES (1)", "2 columns and 1 values"),
        "no_name": (
            "MERGE INTO t USING (SELECT 1 AS k) ON t.k = 1 WHEN MATCHED THEN DELETE",
            "needs a name",
        ),
        "missing": ("MERGE INTO nowhere USING s ON TRUE WHEN MATCHED THEN DELETE", "no dataset"),
    }
    made = await run(
        client, sql("t", f"CREATE TABLE t AS {TARGET}"), sql("s", f"CREATE TABLE s AS {SOURCE}")
    )
    assert made["state"] == "SUCCESS"
    found = await run(
        client, *(sql(key, text) for key, (text, _) in refused.items()), name="refused"
    )
    errors = {task["task_key"]: task.get("error", "") for task in found["tasks"]}
    assert all(words in errors[key] for key, (_, words) in refused.items()), errors

    deleted = f"MERGE INTO t USING {twice} ON t.k = s.k WHEN MATCHED THEN DELETE"
    assert (await run(client, sql("d", deleted), name="d"))["state"] == "SUCCESS"
    assert await ask(client, "SELECT count(*) FROM t") == [[4]]
