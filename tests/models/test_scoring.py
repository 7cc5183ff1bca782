"""A dataset is scored into another one, in one of its versions, batch by batch."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mcp.client import Client

from servicetsunami.app import open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.models.making import FEATURES, FLOWERS, classifier, endless, prices, put, regressor
from tests.server.asking import ask, call, failure

ROWS = int(os.environ.get("MODEL_ROWS", "50000"))
"""`MODEL_ROWS=1000000 pytest tests/models/test_scoring.py` scores as many."""


async def score(client: Client, name: str, output: str, **given: Any) -> dict[str, Any]:
    return await call(client, "invoke_model", name=name, input=given, output=output)


@pytest.fixture
async def flowers(client: Client, files: Path) -> Client:
    """The dataset `flowers`, and a model for it."""
    source = put(files, "iris.onnx", classifier())
    await call(client, "deploy_model", name="iris", source=source)
    rows = [dict(zip(FEATURES, row, strict=True)) for row in FLOWERS]
    await call(client, "ingest_dataset", name="flowers", source=rows)
    return client


async def test_predictions_stand_beside_the_columns(flowers: Client) -> None:
    done = await score(flowers, "iris", "kinds", dataset="flowers")
    assert done["rows"] == 3
    assert done["output"] == {
        "dataset": "default.kinds",
        "version": 0,
        "columns_added": ["output_label", "output_probability"],
        "read": "default.flowers version 0",
    }
    rows = await ask(flowers, "SELECT sepal_length, output_label FROM kinds ORDER BY 1")
    assert rows == [[5.1, 0], [6.3, 2], [6.7, 1]]
    sure = "SELECT count(*) FROM kinds WHERE output_probability[cast(output_label as string)] > 0.7"
    assert await ask(flowers, sure) == [[3]]


async def test_an_earlier_version_can_be_scored_and_scores_written_again(flowers: Client) -> None:
    more = [dict(zip(FEATURES, FLOWERS[0], strict=True))]
    await call(flowers, "ingest_dataset", name="flowers", source=more, mode="append")
    assert (await score(flowers, "iris", "kinds", dataset="flowers", version=0))["rows"] == 3
    again = {"dataset": "flowers"}
    said = await failure(flowers, "invoke_model", name="iris", input=again, output="kinds")
    assert "exists already" in said
    done = await score(flowers, "iris", "kinds", dataset="flowers", mode="overwrite")
    assert (done["rows"], done["output"]["version"]) == (4, 1)
    assert await ask(flowers, "SELECT count(*) FROM kinds VERSION AS OF 0") == [[3]]


async def test_columns_go_by_name_or_are_chosen(client: Client, files: Path) -> None:
    await call(client, "deploy_model", name="p", source=put(files, "p.onnx", prices()))
    await call(client, "deploy_model", name="r", source=put(files, "r.onnx", regressor()))
    rows = [
        {"id": 1, "area": 30, "rooms": 2, "town": "a", "prediction": "old"},
        {"id": 2, "area": 20, "rooms": 1, "town": "b", "prediction": "old"},
    ]
    await call(client, "ingest_dataset", name="houses", source=rows)
    done = await score(client, "p", "p_scored", dataset="houses")
    assert done["output"]["columns_added"] == ["predicted_prediction"]
    await score(client, "r", "r_scored", dataset="houses", columns=["rooms", "area"])
    sql = "SELECT id, round(predicted_prediction, 3) FROM r_scored ORDER BY 1"
    assert await ask(client, sql) == [[1, 34.0], [2, 22.0]]


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"dataset": "houses"}, "5 columns were given: id, area, rooms, town, n"),
    ({"dataset": "houses", "columns": ["rooms", "town"]}, "The column 'town' has string"),
    ({"dataset": "houses", "columns": ["rooms", "size"]}, "The dataset has no column 'size'"),
    ({"dataset": "houses", "version": 7}, "version 7"),
    ({"dataset": "nothing"}, "No dataset is named"),
    ({"dataset": "houses", "mode": "merge"}, "cannot write scores"),
    ({"dataset": "houses", "where": "1"}, "'where' means nothing here"),
    ({"instances": [[1, 2]]}, "'instances' means nothing here"),
]


async def test_what_cannot_be_scored_is_named(client: Client, files: Path) -> None:
    await call(client, "deploy_model", name="r", source=put(files, "r.onnx", regressor()))
    rows = [{"id": 1, "area": 30, "rooms": 2, "town": "a", "n": None}]
    rows.append({"id": 2, "area": 2**24 + 1, "rooms": 1, "town": "b", "n": 1.5})
    await call(client, "ingest_dataset", name="houses", source=rows)
    for given, words in UNFIT:
        said = await failure(client, "invoke_model", name="r", input=given, output="out")
        assert words in said
    assert (await call(client, "list_assets"))["total"] == 1
    # Of a number that is not known, nothing is known.
    await score(client, "r", "out", dataset="houses", columns=["rooms", "n"])
    shown = "SELECT round(prediction, 3) FROM out ORDER BY id"
    assert await ask(client, shown) == [["NaN"], [3.5]]


async def test_a_whole_number_that_a_float_cannot_hold_is_refused(
    client: Client, files: Path
) -> None:
    await call(client, "deploy_model", name="r", source=put(files, "r.onnx", regressor()))
    rows = [{"a": 1, "b": 2}, {"a": 2**24 + 1, "b": 2}]
    await call(client, "ingest_dataset", name="t", source=rows)
    said = await failure(client, "invoke_model", name="r", input={"dataset": "t"}, output="out")
    assert "The column 'a' has the value 16777217, which float32 cannot hold." in said


async def test_deleted_rows_and_empty_tables_are_scored_as_they_are(
    flowers: Client,
) -> None:
    statement = "DELETE FROM flowers WHERE sepal_length > 6"
    for key in ("some", "all"):
        task = {"task_key": "d", "sql_task": {"statement": statement}}
        await call(flowers, "create_job", name=key, tasks=[task])
        assert (await call(flowers, "run_job", name=key))["run"]["state"] == "SUCCESS"
        if key == "some":
            assert (await score(flowers, "iris", "kinds", dataset="flowers"))["rows"] == 1
        statement = "DELETE FROM flowers"
    said = await failure(
        flowers, "invoke_model", name="iris", input={"dataset": "flowers"}, output="none"
    )
    assert "has no rows" in said


async def test_many_rows_are_scored_whole(client: Client, files: Path) -> None:
    count = ROWS
    numbers = pa.array(range(count), pa.float32())
    pq.write_table(pa.table({"a": numbers, "b": numbers}), files / "many.parquet")
    await call(client, "ingest_dataset", name="many", source="many.parquet")
    await call(client, "deploy_model", name="r", source=put(files, "r.onnx", regressor()))
    assert (await score(client, "r", "scored", dataset="many"))["rows"] == count
    wrong = "SELECT count(*), count_if(abs(prediction - 3 * a) > 0.1 + a / 1e6) FROM scored"
    assert await ask(client, wrong) == [[count, 0]]


@pytest.fixture
async def hasty(settings: Settings, zygote: Zygote) -> AsyncIterator[Client]:
    """A server that lets a scoring take one second."""
    async with (
        open_app(settings.model_copy(update={"model_timeout_s": 1.0}), zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        yield client


async def test_a_scoring_that_takes_too_long_or_is_cancelled_writes_nothing(
    hasty: Client, files: Path, settings: Settings
) -> None:
    source = put(files, "endless.onnx", endless())
    await call(hasty, "deploy_model", name="endless", source=source)
    await call(hasty, "ingest_dataset", name="t", source=[{"a": 1.5}])
    given = {"name": "endless", "input": {"dataset": "t"}, "output": "out"}
    said = await failure(hasty, "invoke_model", **given)
    assert "did not come to an end within 1 s" in said
    with anyio.move_on_after(0.5) as scope:
        await hasty.call_tool("invoke_model", given)
    assert scope.cancelled_caught
    assert (await call(hasty, "list_assets"))["total"] == 1
    assert list((settings.data_dir / "temp").glob("scores-*")) == []
