"""What scikit-learn and MLflow save is served without ever loading a pickle."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import skops.io
import yaml
from mcp.client import Client
from sklearn.compose import make_column_transformer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from tests.models.making import FEATURES, FLOWERS, classifier, put
from tests.server.asking import call, failure

HOUSES = pd.DataFrame(
    {"town": ["a", "b", "a", "b"], "rooms": [1, 2, 3, 4], "area": [20.0, 35.0, 70.0, 90.0]}
)
PRICES = [100.0, 180.0, 330.0, 430.0]
ONNX = {"onnx": {"data": "model.onnx"}, "python_function": {"loader_module": "mlflow.onnx"}}


def saved(files: Path, flavours: Any, columns: dict[str, str] | None = None) -> str:
    """A folder as MLflow saves it; its path."""
    content: dict[str, Any] = {"flavors": flavours, "mlflow_version": "3.4.0"}
    if columns is not None:
        inputs = [{"type": kind, "name": name, "required": True} for name, kind in columns.items()]
        content["signature"] = {"inputs": json.dumps(inputs), "outputs": None, "params": None}
    put(files, "saved/MLmodel", yaml.safe_dump(content).encode())
    return str(files / "saved")


async def deployed(client: Client, source: str) -> dict[str, Any]:
    return await call(client, "deploy_model", name="model", source=source)


async def predictions(client: Client, rows: list[dict[str, Any]]) -> list[Any]:
    given = {"dataframe_records": rows}
    return (await call(client, "invoke_model", name="model", input=given))["predictions"]


async def test_the_onnx_flavour_is_served_with_the_names_of_its_columns(
    client: Client, files: Path
) -> None:
    put(files, "saved/model.onnx", classifier())
    made = await deployed(client, saved(files, ONNX, dict.fromkeys(FEATURES, "double")))
    assert made["signature"]["columns"] == FEATURES
    row = dict(reversed(list(zip(FEATURES, FLOWERS[2], strict=True))))
    [found] = await predictions(client, [row])
    assert found["output_label"] == 2
    given = {"dataframe_records": [row | {"colour": 1}]}
    said = await failure(client, "invoke_model", name="model", input=given)
    assert "The model has no column 'colour'" in said
    del row["petal_width"]
    said = await failure(client, "invoke_model", name="model", input={"dataframe_records": [row]})
    assert "The column 'petal_width' is missing." in said


async def test_a_signature_that_is_none_is_left_alone(client: Client, files: Path) -> None:
    put(files, "saved/model.onnx", classifier())
    made = await deployed(client, saved(files, ONNX))
    assert made["state"] == "READY"
    assert "columns" not in made["signature"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flavours", "words"),
    [
        (
            {"sklearn": {"pickled_model": "model.pkl"}, "python_function": {}},
            "the MLflow flavours python_function, sklearn, which only a pickle",
        ),
        ({"pytorch": {}}, "mlflow.onnx"),
        ({}, "(none)"),
        ([], "(none)"),
        ({"onnx": {"data": "../model.onnx"}}, "not in the folder"),
        ({"onnx": {"data": "/etc/passwd"}}, "not in the folder"),
        ({"onnx": {"data": "missing.onnx"}}, "not in the folder"),
        ({"onnx": {"data": ["a"]}}, "not in the folder"),
    ],
)
async def test_what_would_need_a_pickle_is_refused_by_name(
    client: Client, files: Path, flavours: Any, words: str
) -> None:
    put(files, "model.onnx", classifier())
    source = saved(files, flavours)
    assert words in await failure(client, "deploy_model", name="model", source=source)


@pytest.mark.parametrize(
    "content",
    [b"", b"flavors: [", b"- a", b"a: !!python/object/apply:os.system [ls]", b"a" * 300_000],
    ids=["empty", "broken", "list", "code", "long"],
)
async def test_an_mlmodel_file_that_is_none_is_refused(
    client: Client, files: Path, content: bytes
) -> None:
    put(files, "saved/MLmodel", content)
    said = await failure(client, "deploy_model", name="model", source=str(files / "saved"))
    assert "cannot be read" in said


@pytest.mark.slow
async def test_a_skops_file_answers_as_its_model_does(client: Client, files: Path) -> None:
    numbers = HOUSES[["rooms", "area"]]
    model = LinearRegression().fit(numbers, PRICES)
    skops.io.dump(model, files / "prices.skops")
    made = await deployed(client, "prices.skops")
    assert made["signature"]["columns"] == ["rooms", "area"]
    rows = [{"area": 40, "rooms": 2}, {"area": 65.5, "rooms": 3}]
    wanted = model.predict(pd.DataFrame(rows)[["rooms", "area"]])
    assert await predictions(client, rows) == pytest.approx(list(wanted), rel=1e-5)
    told = await call(client, "describe_asset", kind="endpoint", name="model")
    assert told["endpoint"]["versions"][0]["flavour"] == "skops"

    columns = make_column_transformer(
        (OneHotEncoder(), ["town"]), ("passthrough", ["rooms", "area"])
    )
    model = make_pipeline(columns, LinearRegression()).fit(HOUSES, PRICES)
    (files / "saved").mkdir()
    skops.io.dump(model, files / "saved" / "model.skops")
    flavour = {"sklearn": {"pickled_model": "model.skops", "serialization_format": "skops"}}
    kinds = {"town": "string", "rooms": "long", "area": "double"}
    made = await deployed(client, saved(files, flavour, kinds))
    assert (made["version"], made["state"]) == (2, "READY")
    rows = [{"town": "a", "rooms": 2, "area": 40}]
    wanted = model.predict(pd.DataFrame(rows))
    assert await predictions(client, rows) == pytest.approx(list(wanted), rel=1e-5)


@pytest.mark.slow
async def test_a_skops_file_that_may_run_code_is_not_loaded(client: Client, files: Path) -> None:
    skops.io.dump(FunctionTransformer(os.system), files / "evil.skops")
    put(files, "none.skops", b"PK no archive")
    skops.io.dump(IsotonicRegression().fit([1, 2], [1, 2]), files / "other.skops")
    for name, words in [
        ("evil", "it holds types that may run code: posix.system"),
        ("none", "none.skops cannot be served"),
        ("other", "other.skops cannot be served"),
    ]:
        made = await deployed(client, f"{name}.skops")
        assert made["state"] == "FAILED"
        assert words in made["error"]
        assert "Export it with skl2onnx" in made["error"]
