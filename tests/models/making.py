"""Models as their makers export them, and ones that nobody should load."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 4.7, 1.5], [6.3, 3.3, 6.0, 2.5]]
"""One of each kind: 0, 1 and 2."""
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@cache
def classifier() -> bytes:
    """Kinds of iris: one input X of four floats; a label, and probabilities by kind (a ZipMap)."""
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    return to_onnx(LogisticRegression(max_iter=500).fit(x, y), x[:1]).SerializeToString()


@cache
def regressor(*, slope: float = 2.0) -> bytes:
    """The first of two floats times `slope`, plus the second."""
    x = np.array([[0, 0], [1, 0], [0, 1], [2, 3]], dtype=np.float32)
    model = LinearRegression().fit(x, x @ np.array([slope, 1.0], dtype=np.float32))
    return to_onnx(model, x[:1]).SerializeToString()


@cache
def prices() -> bytes:
    """A pipeline over columns of several types: an input for each of them."""
    frame = pd.DataFrame({"town": ["a", "b", "a", "b"], "rooms": [1, 2, 3, 4]})
    frame["area"] = np.array([10, 20, 30, 40], dtype=np.float32)
    columns = make_column_transformer(
        (OneHotEncoder(), ["town"]), ("passthrough", ["rooms", "area"])
    )
    model = make_pipeline(columns, LinearRegression()).fit(frame, [1.0, 2.0, 3.0, 4.0])
    return to_onnx(model, frame[:1]).SerializeToString()


def graph(*nodes: Any, inputs: Any, outputs: Any, data: Any = ()) -> bytes:
    """A model of these nodes."""
    made = helper.make_graph(list(nodes), "g", inputs, outputs, list(data))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model.SerializeToString()


def floats(name: str, *shape: int | None) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def huge() -> bytes:
    """Asks for 400 GB when it is run."""
    size = helper.make_tensor("size", TensorProto.INT64, [2], [100_000, 1_000_000])
    return graph(
        helper.make_node("Expand", ["X", "size"], ["Y"]),
        inputs=[floats("X", None, 1)],
        outputs=[floats("Y", None, None)],
        data=[size],
    )


def endless() -> bytes:
    """Goes round for ever when it is run."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["on_again"]),
            helper.make_node("Sin", ["v"], ["v_again"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            floats("v", None, 1),
        ],
        [
            helper.make_tensor_value_info("on_again", TensorProto.BOOL, []),
            floats("v_again", None, 1),
        ],
    )
    return graph(
        helper.make_node("Loop", ["times", "true", "X"], ["Y"], body=body),
        inputs=[floats("X", None, 1)],
        outputs=[floats("Y", None, 1)],
        data=[
            helper.make_tensor("times", TensorProto.INT64, [], [2**62]),
            helper.make_tensor("true", TensorProto.BOOL, [], [True]),
        ],
    )


def with_data_at(location: str) -> bytes:
    """Adds four numbers out of another file to each row."""
    weights = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=[4])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        weights.external_data.add(key=key, value=value)
    return graph(
        helper.make_node("Add", ["X", "W"], ["Y"]),
        inputs=[floats("X", None, 4)],
        outputs=[floats("Y", None, 4)],
        data=[weights],
    )


def put(folder: Path, name: str, content: bytes) -> str:
    """Write a file; its path as a tool is given it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)
