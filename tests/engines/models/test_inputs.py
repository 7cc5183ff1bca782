"""Whatever JSON is given becomes the same numbers, or an error that names the column."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicetsunami.domain.endpoint import Signature, TensorSpec
from servicetsunami.engines.models import casting
from servicetsunami.engines.models.inputs import FORMATS, fed
from servicetsunami.engines.models.layout import lay_out
from servicetsunami.errors import InvalidInput

KINDS = ["float16", "float32", "float64", "int8", "int64", "uint8", "uint64", "string", "bool"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
WIDE = Signature(inputs=(TensorSpec(name="X", type="float32", shape=(None, 2)),))
NAMED = Signature(inputs=WIDE.inputs, columns=("a", "b"))
SEVERAL = Signature(
    inputs=(
        TensorSpec(name="a", type="int64", shape=(None, 1)),
        TensorSpec(name="b", type="string", shape=(None,)),
    )
)


def spec(kind: str, *shape: int | None) -> TensorSpec:
    return TensorSpec(name="X", type=kind, shape=shape or (None,))


def is_same(made: Any, value: Any, kind: str) -> bool:
    if value is None:
        return math.isnan(made)
    if kind.startswith("float") and isinstance(value, float):
        return made == np.dtype(kind).type(value) or (math.isnan(value) and math.isnan(made))
    return made == value


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@given(values=st.lists(ANY_JSON, min_size=1, max_size=4))
@settings(deadline=None, max_examples=50)
def test_values_stay_the_same_or_are_refused(kind: str, values: list[Any]) -> None:
    try:
        made = casting.of_values("c", values, spec(kind))
    except InvalidInput:
        return
    assert made.dtype == (object if kind == "string" else kind)
    assert len(made) == len(values)
    flat = made.reshape(-1).tolist() if made.dtype == object else made.reshape(-1)
    leaves = values
    while any(isinstance(each, list) for each in leaves):
        leaves = [leaf for each in leaves for leaf in each]
    assert all(is_same(a, b, kind) for a, b in zip(flat, leaves, strict=True))


@pytest.mark.parametrize("signature", [WIDE, NAMED, SEVERAL])
@given(kind=st.sampled_from(FORMATS), content=ANY_JSON)
@settings(deadline=None, max_examples=100)
def test_any_content_is_fed_or_refused(signature: Signature, kind: str, content: Any) -> None:
    try:
        arrays = fed({kind: content}, signature)
    except InvalidInput:
        return
    assert set(arrays) == {each.name for each in signature.inputs}
    assert all(arrays[each.name].ndim == len(each.shape) for each in signature.inputs)


@pytest.mark.parametrize("kind", ["float32", "float64", "int8", "int64", "uint8"])
@given(values=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=5))
@settings(deadline=None)
def test_a_dataset_and_a_call_are_read_alike(kind: str, values: list[int]) -> None:
    def made(read: Any, content: Any) -> Any:
        try:
            return read("c", content, spec(kind)).tolist()
        except InvalidInput:
            return "refused"

    column = pa.array(values, pa.int64())
    assert made(casting.of_arrow, column) == made(casting.of_values, values)


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (pa.array([1.5, None]), "float32", [1.5, None]),
        (pa.array([1, None]), "float64", [1, None]),
        (pa.array([150], pa.decimal128(5, 2)), "float64", [150]),
        (pa.array(["a", "b"]), "string", ["a", "b"]),
        (pa.array([True]), "bool", [True]),
        (pa.array([[1.0, 2.0], [3.0, 4.0]]), "float32", [[1, 2], [3, 4]]),
        (pa.array([1, None]), "int64", "has nulls"),
        (pa.array([1.0]), "int64", "has double values"),
        (pa.array([1]), "string", "has int64 values"),
        (pa.array(["1"]), "float32", "has string values"),
        (pa.array([True]), "float32", "has bool values"),
        (pa.array([300]), "uint8", "cannot hold"),
        (pa.array([1e300]), "float32", "cannot hold"),
        (pa.array([[1.0], [2.0, 3.0]]), "float32", "different lengths"),
    ],
)
def test_columns_of_datasets(column: Any, kind: str, expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(InvalidInput, match=expected):
            casting.of_arrow("c", column, spec(kind))
        return
    made = casting.of_arrow("c", column, spec(kind)).tolist()
    assert str(made).replace("nan", "None") == str(
        np.array(expected, dtype=object if kind in {"string"} else kind).tolist()
    ).replace("nan", "None")


def test_other_columns_of_a_dataset_are_left_alone() -> None:
    names = ["id", "b", "a"]
    [feed] = lay_out(NAMED, names, may_have_more=True)
    assert (feed.columns, feed.is_stacked) == (("a", "b"), True)
    assert [each.columns for each in lay_out(SEVERAL, names, may_have_more=True)] == [
        ("a",),
        ("b",),
    ]
    [feed] = lay_out(WIDE, ["X", "id"], may_have_more=True)
    assert (feed.columns, feed.is_stacked) == (("X",), False)
    with pytest.raises(InvalidInput, match="The column 'b' is missing"):
        lay_out(SEVERAL, ["a", "c"], may_have_more=True)
    many = [f"c{n}" for n in range(30)]
    with pytest.raises(InvalidInput, match="and 10 more"):
        lay_out(WIDE, many)
