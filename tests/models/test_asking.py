"""Models are asked in Databricks' formats, and say which column does not fit."""

from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from onnx import TensorProto, helper

from tests.models.making import FEATURES, FLOWERS, classifier, floats, graph, prices, put
from tests.server.asking import call, failure

HOUSE = {"town": "a", "rooms": 2, "area": 30}


@pytest.fixture
async def asked(client: Client, files: Path) -> Client:
    for name, content in (("iris", classifier()), ("prices", prices())):
        source = put(files, f"{name}.onnx", content)
        await call(client, "deploy_model", name=name, source=source)
    return client


async def predictions(client: Client, name: str, **given: Any) -> list[Any]:
    return (await call(client, "invoke_model", name=name, input=given))["predictions"]


async def test_every_format_means_the_same(asked: Client) -> None:
    records = [dict(zip(FEATURES, row, strict=True)) for row in FLOWERS]
    columns = {name: [row[at] for row in FLOWERS] for at, name in enumerate(FEATURES)}
    ways: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": FEATURES, "data": FLOWERS, "index": [0, 1, 2]}},
        {"dataframe_records": records},
        {"instances": FLOWERS},
        {"instances": records},
        {"inputs": FLOWERS},
        {"inputs": columns},
        {"inputs": {"X": FLOWERS}},
        {"dataframe_records": [{"X": row} for row in FLOWERS]},
    ]
    answers = [await predictions(asked, "iris", **way) for way in ways]
    assert [each["output_label"] for each in answers[0]] == [0, 1, 2]
    probabilities = answers[0][0]["output_probability"]
    assert set(probabilities) == {"0", "1", "2"}
    assert sum(probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert all(each == answers[0] for each in answers)


async def test_each_input_of_a_pipeline_is_a_column(asked: Client) -> None:
    [one] = await predictions(asked, "prices", dataframe_records=[HOUSE])
    split = {"columns": ["area", "town", "rooms"], "data": [[30, "a", 2], [30, "a", 2]]}
    assert await predictions(asked, "prices", dataframe_split=split) == pytest.approx([one, one])
    by_column = {"town": ["a"], "rooms": [2], "area": [30.0]}
    assert await predictions(asked, "prices", inputs=by_column) == [one]
    # A whole number is one also as JSON writes it elsewhere.
    assert await predictions(asked, "prices", dataframe_records=[HOUSE | {"rooms": 2.0}]) == [one]


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"town": None}, "The column 'town' has null in row 1. The model wants text"),
    ({"town": 5}, "The column 'town' has the value '5'"),
    ({"rooms": 2.5}, "The column 'rooms' has the value '2.5' in row 1"),
    ({"rooms": "2"}, "The model wants whole numbers there (int64[n, 1])"),
    ({"rooms": True}, "The column 'rooms' has the value 'True'"),
    ({"rooms": 2**63}, "which int64 cannot hold"),
    ({"area": "big"}, "The column 'area' has the value 'big'"),
    ({"area": 2**24 + 1}, "The column 'area' has the value '16777217'"),
    ({"area": 1e300}, "which float32 cannot hold"),
    ({"area": [1, 2]}, "values of the shape [1, 2]"),
    ({"garden": 1}, "The model has no column 'garden'"),
]


async def test_a_value_that_does_not_fit_is_named_by_its_column(asked: Client) -> None:
    for changes, words in UNFIT:
        given = {"dataframe_records": [HOUSE | changes]}
        assert words in await failure(asked, "invoke_model", name="prices", input=given)


NO_INPUTS: list[tuple[dict[str, Any], str]] = [
    ({}, "The input has nothing"),
    ({"rows": [1]}, "Give one of dataframe_split"),
    ({"instances": [[1]], "inputs": [[1]]}, "The input has inputs, instances"),
    ({"instances": []}, "instances must be a list"),
    ({"instances": "x"}, "instances must be a list"),
    ({"instances": [[1, 2]]}, "values of the shape [1, 2]"),
    ({"instances": [[1, 2, 3, 4], [1]]}, "lists of different lengths"),
    ({"instances": [[1, 2, 3, 4], 5]}, "lists beside single values"),
    ({"instances": [[[[[[[[[[[1]]]]]]]]]]]}, "lists beside single values"),
    ({"dataframe_split": {"data": [[1]]}}, "with `columns` and `data`"),
    ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "Row 1 of dataframe_split"),
    ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "two columns of one name"),
    ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}, "2 columns were given: a"),
    ({"dataframe_records": [{"a": 1}, {"b": 1}]}, "differs from the first in the column 'a'"),
    ({"dataframe_records": [{}]}, "has no rows"),
    ({"inputs": {"a": 1}}, "'a' is no list"),
    ({"inputs": {"a": [1], "b": [1, 2]}}, "columns of several lengths"),
    ({"instances": [[0.0] * 4] * 1001}, "1001 rows are more than the 1000"),
    ({"dataset": "t"}, "one of the two is missing"),
]


async def test_an_input_that_is_none_says_what_is_wanted(asked: Client) -> None:
    for given, words in NO_INPUTS:
        assert words in await failure(asked, "invoke_model", name="iris", input=given)


async def test_a_missing_column_is_named_with_what_may_be_meant(asked: Client) -> None:
    given = {"dataframe_records": [{"town": "a", "room": 2, "area": 30}]}
    said = await failure(asked, "invoke_model", name="prices", input=given)
    assert "The column 'rooms' is missing. Did you mean it by 'room'?" in said
    said = await failure(asked, "invoke_model", name="prices", input={"instances": [[1, 2, 3]]})
    assert "The model has 3 inputs, and instances names none." in said


async def test_tensors_of_any_rank_and_odd_numbers_come_back_as_they_are(
    client: Client, files: Path
) -> None:
    model = graph(
        helper.make_node("Log", ["image"], ["logs"]),
        helper.make_node("Shape", ["image"], ["sizes"]),
        inputs=[floats("image", None, 2, 2)],
        outputs=[
            floats("logs", None, 2, 2),
            helper.make_tensor_value_info("sizes", TensorProto.INT64, [3]),
        ],
    )
    source = put(files, "image.onnx", model)
    await call(client, "deploy_model", name="image", source=source)
    given = {"inputs": {"image": [[[1, 0], [-1, None]]]}}
    answer = await call(client, "invoke_model", name="image", input=given)
    assert answer["reply"] == {"logs": [[[0.0, "-Infinity"], ["NaN", "NaN"]]], "sizes": [1, 2, 2]}


async def test_calls_are_counted_with_their_rows(asked: Client) -> None:
    await predictions(asked, "iris", instances=FLOWERS)
    await failure(asked, "invoke_model", name="iris", input={"instances": [[1]]})
    used = {each["tool"]: each for each in (await call(asked, "tenant_usage"))["tools"]}
    counted = used["invoke_model"]
    assert (counted["calls"], counted["errors"], counted["rows"]) == (2, 1, 3)
    assert used["deploy_model"]["calls"] == 2


async def test_more_than_a_call_can_carry_is_refused_either_way(
    client: Client, files: Path
) -> None:
    size = helper.make_tensor("size", TensorProto.INT64, [2], [1, 200_000])
    wide = graph(
        helper.make_node("Expand", ["X", "size"], ["Y"]),
        inputs=[floats("X", None, 1)],
        outputs=[floats("Y", None, None)],
        data=[size],
    )
    await call(client, "deploy_model", name="wide", source=put(files, "wide.onnx", wide))
    given = {"instances": [[0.12345]]}
    said = await failure(client, "invoke_model", name="wide", input=given)
    assert "The answer would have" in said
    text = graph(
        helper.make_node("Identity", ["text"], ["Y"]),
        inputs=[helper.make_tensor_value_info("text", TensorProto.STRING, [None])],
        outputs=[helper.make_tensor_value_info("Y", TensorProto.STRING, [None])],
    )
    await call(client, "deploy_model", name="text", source=put(files, "text.onnx", text))
    long = {"inputs": {"text": ["x" * 70_000_000]}}
    said = await failure(client, "invoke_model", name="text", input=long)
    assert "The input is too long for one call." in said
    assert await predictions(client, "text", instances=["short"]) == ["short"]
