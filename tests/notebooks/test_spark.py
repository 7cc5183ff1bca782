"""With the extra `spark`, notebooks have a Spark that reads and writes the tenant's datasets."""

from collections.abc import Callable

import pytest
from mcp.client import Client

from servicetsunami.engines.kernels.inside.bridge import Bridge, LakeError
from servicetsunami.engines.kernels.inside.lake import Lake, Spark
from tests.notebooks.running import magic, outputs, run, source, text
from tests.server.asking import ask, call

MERGE = """MERGE INTO t USING (SELECT 1 AS id, 'changed' AS s UNION ALL SELECT 9, 'new') u
ON t.id = u.id WHEN MATCHED THEN UPDATE SET s = u.s
WHEN NOT MATCHED THEN INSERT (id, s) VALUES (u.id, u.s)"""


@pytest.mark.slow
async def test_spark_merges_travels_in_time_and_its_writes_are_versions(client: Client) -> None:
    await call(
        client, "ingest_dataset", source=[{"id": 1, "s": "a"}, {"id": 2, "s": "b"}], name="t"
    )
    await call(client, "ingest_dataset", source=[{"id": 3, "s": "c"}], name="t", mode="append")

    done = await run(
        client,
        source(
            magic(f"%sql\n{MERGE}"),
            "display(spark.sql('SELECT * FROM t ORDER BY id'))",
            "print(spark.table('t').count(), spark.sql('SELECT * FROM t VERSION AS OF 0').count())",
            "spark.createDataFrame([(1, 'x')], ['a', 'b']).write.saveAsTable('made')",
            magic("%sql\nCREATE OR REPLACE TEMP VIEW v AS SELECT id FROM t WHERE id > 2"),
            magic("%sql\nSELECT count(*) AS n FROM v"),
            "spark.read.table('made').toPandas().b[0]",
        ),
    )

    assert done["state"] == "SUCCESS", done
    assert outputs(done, 1)[0]["rows"] == [[1, "changed"], [2, "b"], [3, "c"], [9, "new"]]
    assert text(done, 2) == "4 2\n"
    assert outputs(done, 5)[0]["rows"] == [[2]]
    assert text(done, 6) == "'x'"
    assert await ask(client, "SELECT * FROM t ORDER BY id") == [
        [1, "changed"],
        [2, "b"],
        [3, "c"],
        [9, "new"],
    ]
    assert await ask(client, "SELECT count(*) FROM t VERSION AS OF 1") == [[3]]
    assert await ask(client, "SELECT * FROM made") == [[1, "x"]]
    described = await call(client, "describe_asset", name="t")
    assert described["version"] == 2


@pytest.mark.slow
async def test_spark_cannot_write_past_the_server(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"id": 1}], name="t")

    done = await run(
        client,
        source(
            "import pathlib\nfor path in pathlib.Path('tables').rglob('*'):\n"
            "    if path.is_file():\n        path.open('ab')",
        ),
    )
    assert "Read-only file system" in done["error"] or "Permission denied" in done["error"]


@pytest.mark.slow
async def test_a_change_by_others_meanwhile_is_not_overwritten(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"id": 1}], name="t")

    done = await run(
        client,
        source(
            "import pandas as pd; lake.write(pd.DataFrame({'id': [2]}), 't', mode='append')",
            "spark.sql('SELECT count(*) AS n FROM t').collect()[0].n",
            "lake.write(pd.DataFrame({'id': [3]}), 't', mode='append')",
            "spark.table('t').count()",
            "spark.sql('DELETE FROM t WHERE id = 1').collect()\n"
            "lake.write(pd.DataFrame({'id': [4]}), 't', mode='append')",
            "print('never')",
        ),
    )
    assert done["state"] == "FAILED"
    assert "was changed by others" in done["error"]
    assert [text(done, n) for n in (1, 3)] == ["2", "3"]
    assert await ask(client, "SELECT id FROM t ORDER BY id") == [[1], [2], [3], [4]]


@pytest.mark.parametrize(
    "use",
    [
        lambda spark: spark.read,
        lambda spark: spark.sql("SELECT 1").withColumn,
        lambda spark: spark.table("t").write,
    ],
)
def test_without_the_extra_what_needs_it_says_how_to_install_it(
    use: Callable[[Spark], object],
) -> None:
    with pytest.raises(LakeError, match=r"pip install 'servicetsunami\[spark\]'"):
        use(Spark(Lake(Bridge("nowhere"))))
