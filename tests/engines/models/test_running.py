"""Models are loaded, asked and used for scoring: what a child does, without the child."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper

from servicetsunami.domain.dataset import Column, Snapshot
from servicetsunami.domain.endpoint import Signature, TensorSpec
from servicetsunami.engines.models.inputs import fed
from servicetsunami.engines.models.predictions import as_columns, as_json
from servicetsunami.engines.models.runtime import OnnxModel
from servicetsunami.engines.models.scoring import Scores, rows_of
from servicetsunami.errors import InvalidInput
from tests.models.making import FLOWERS, classifier, floats, graph, prices, put, regressor


def loaded(folder: Path, content: bytes) -> OnnxModel:
    return OnnxModel(Path(put(folder, "m.onnx", content)), threads=1)


def outputs(*names: str) -> Signature:
    return Signature(outputs=tuple(TensorSpec(name=name, type="float32") for name in names))


def test_a_model_answers_by_rows(tmp_path: Path) -> None:
    model = loaded(tmp_path, classifier())
    found = model.run(fed({"instances": FLOWERS}, model.signature))
    answers = as_json(found, model.signature, 3)
    assert [each["output_label"] for each in answers] == [0, 1, 2]
    assert [max(each["output_probability"]) for each in answers] == ["2", "2", "2"]
    model = loaded(tmp_path, prices())
    assert [each.words for each in model.signature.inputs] == [
        "string[n, 1]",
        "int64[n, 1]",
        "float32[n, 1]",
    ]


def test_a_model_without_inputs_or_with_odd_ones_is_refused(tmp_path: Path) -> None:

    constant = helper.make_node("Constant", [], ["Y"], value_float=1.0)
    with pytest.raises(InvalidInput, match="The model has 0 inputs"):
        loaded(tmp_path, graph(constant, inputs=[], outputs=[floats("Y")]))
    odd = helper.make_tensor_sequence_value_info("X", TensorProto.FLOAT, None)
    length = helper.make_node("SequenceLength", ["X"], ["Y"])
    count = helper.make_tensor_value_info("Y", TensorProto.INT64, [])
    with pytest.raises(InvalidInput, match="The input X is of the type seq"):
        loaded(tmp_path, graph(length, inputs=[odd], outputs=[count]))


def test_what_fails_while_it_runs_says_so(tmp_path: Path) -> None:

    model = loaded(
        tmp_path,
        graph(
            helper.make_node("Add", ["A", "B"], ["Y"]),
            inputs=[floats("A", None, None), floats("B", None, None)],
            outputs=[floats("Y", None, None)],
        ),
    )
    with pytest.raises(InvalidInput, match="The model failed"):
        model.run({"A": np.zeros((1, 2), np.float32), "B": np.zeros((1, 3), np.float32)})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([0.1], np.float32), [0.1]),
        (np.array([[0.1], [2.5]], np.float64), [0.1, 2.5]),
        (np.array([np.nan, np.inf, -np.inf], np.float32), ["NaN", "Infinity", "-Infinity"]),
        (np.array([[1, 2]], np.int64), [[1, 2]]),
        (np.array(["a"], object), ["a"]),
        (np.array([True]), [True]),
        ([{0: 0.5, 1: 0.25}], [{"0": 0.5, "1": 0.25}]),
        (np.array(7, np.int64), 7),
    ],
)
def test_outputs_become_json(value: Any, expected: Any) -> None:
    rows = len(expected) if isinstance(expected, list) else 1
    wanted = expected if isinstance(expected, list) else {"y": expected}
    assert as_json([value], outputs("y"), rows) == wanted


def test_outputs_become_columns_under_names_that_are_free() -> None:
    found = as_columns(
        [
            np.array([[1.0], [2.0]], np.float32),
            np.array([[1, 2], [3, 4]], np.float16),
            np.array(["a", "b"], object),
            [{"x": 1}, {"x": 2}],
        ],
        outputs("Y", "z", "text", "map"),
        2,
        ["y", "predicted_y"],
    )
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "predicted_predicted_Y": [1.0, 2.0],
        "z": [[1.0, 2.0], [3.0, 4.0]],
        "text": ["a", "b"],
        "map": [[("x", 1.0)], [("x", 2.0)]],
    }
    with pytest.raises(InvalidInput, match="1 values for 2 rows"):
        as_columns([np.array([1.0])], outputs("y"), 2, [])


def test_a_file_is_scored_batch_by_batch(tmp_path: Path) -> None:
    model = loaded(tmp_path, regressor())
    numbers = np.arange(100, dtype=np.float32)
    source = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": numbers, "b": numbers, "id": range(100)}), source)
    columns = [("a", "float"), ("b", "float"), ("id", "bigint")]
    snapshot = Snapshot(
        version=0,
        created_at=datetime.now(UTC),
        columns=tuple(Column(name=name, type=kind) for name, kind in columns),
        files=(str(source),),
        row_count=100,
        size_bytes=1,
    )
    batches = rows_of(snapshot, temp_dir=tmp_path / "t", memory_limit_mb=512, batch_rows=32)
    names = ["a", "b", "id"]
    target = tmp_path / "scores.parquet"
    with Scores(target, model.signature, names=names, features=["a", "b"]) as scores:
        for batch in batches:
            scores.add(batch, model)
    found = pq.read_table(target).sort_by("id")
    assert found.column_names == [*names, "prediction"]
    assert found.column("prediction").to_pylist() == pytest.approx(list(3 * numbers), abs=1e-3)
    assert (scores.rows, list(scores.added)) == (100, ["prediction"])
    with pytest.raises(InvalidInput, match="The dataset has no column 'c'"):
        Scores(target, model.signature, names=names, features=["c"])
