"""Makes arrays of the type that a model wants, where that loses nothing; imports numpy.

As MLflow does it: integers become floats where each is still the same number, and nothing else
changes its kind. What does not fit is named by its column and row.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from servicetsunami.domain.endpoint import TensorSpec
from servicetsunami.errors import InvalidInput

_DEPTH_MAX: Final = 8
_WHOLE_MAX: Final = {"float16": 2**11, "float32": 2**24, "float64": 2**53}
"""Up to where each whole number has a float of its own."""
_LARGEST: Final = 2**1000
"""Beyond this not even the widest float has room, and numpy refuses to try."""
_WORDS: Final = {
    "float16": "numbers",
    "float32": "numbers",
    "float64": "numbers",
    "string": "text",
    "bool": "true or false",
}


def of_values(column: str, values: Sequence[Any], spec: TensorSpec) -> np.ndarray:
    """An array of JSON values, which may be lists of lists."""
    leaves: list[Any] = []
    shape = _unnest(column, values, leaves, 0)
    fits = _checker(spec)
    for at, each in enumerate(leaves):
        if not fits(each):
            row = at * len(values) // len(leaves) + 1
            raise unfit(column, spec, f"{_said(each)} in row {row}")
    if spec.type == "string":
        return np.array(leaves, dtype=object).reshape(shape)
    return _exact(column, np.array(leaves, dtype=_through(spec)).reshape(shape), spec)


def of_arrow(column: str, values: "pa.Array", spec: TensorSpec) -> np.ndarray:
    """An array of a column of a dataset, whose cells may be lists of one length."""
    if pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
        flat = of_arrow(column, values.flatten(), spec)
        if len(values) and len(flat) % len(values):
            raise unfit(column, spec, "lists of different lengths")
        return flat.reshape(len(values), -1)
    kind = values.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    fits = {
        "string": is_text,
        "bool": pa.types.is_boolean(kind),
    }.get(spec.type, _is_number(kind, spec))
    if not fits:
        raise unfit(column, spec, f"{kind} values")
    is_float = spec.type.startswith("float")
    if values.null_count and not is_float:
        raise unfit(column, spec, "nulls")
    if spec.type == "string":
        return np.array(values.to_pylist(), dtype=object)
    if pa.types.is_decimal(kind):
        values = pc.cast(values, pa.float64())
    return _exact(column, values.to_numpy(zero_copy_only=False), spec)


def _is_number(kind: "pa.DataType", spec: TensorSpec) -> bool:
    is_whole = pa.types.is_integer(kind)
    if spec.type.startswith("float"):
        return is_whole or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return is_whole


def fitted(column: str, array: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """The array in the shape that the input has; raises InvalidInput where it cannot be."""
    rank = len(spec.shape)
    if array.ndim == 1 and rank == 2:
        array = array.reshape(-1, 1)
    elif array.ndim == 2 and rank == 1 and array.shape[1] == 1:
        array = array.reshape(-1)
    wanted = list(zip(spec.shape, array.shape, strict=False))
    if array.ndim != rank or any(want not in {None, has} for want, has in wanted):
        has = ", ".join(str(each) for each in array.shape)
        raise unfit(column, spec, f"values of the shape [{has}]")
    return array


def unfit(column: str, spec: TensorSpec, what: str) -> InvalidInput:
    """Say what a column has, and what is wanted instead."""
    return InvalidInput(
        f"The column {column!r} has {what}.",
        f"The model wants {_WORDS.get(spec.type, 'whole numbers')} there ({spec.words}).",
    )


def _unnest(column: str, values: Sequence[Any], leaves: list[Any], depth: int) -> tuple[int, ...]:
    """Put the values of nested lists into one list; their common shape."""
    nested = [isinstance(each, list) for each in values]
    if not any(nested):
        leaves += values
        return (len(values),)
    if not all(nested) or depth == _DEPTH_MAX:
        raise InvalidInput(
            f"The column {column!r} has lists beside single values.", "Give each row the same."
        )
    shapes = {_unnest(column, each, leaves, depth + 1) for each in values}
    if len(shapes) > 1:
        raise InvalidInput(
            f"The column {column!r} has lists of different lengths.", "Give each row as many."
        )
    return (len(values), *next(iter(shapes)))


def _checker(spec: TensorSpec) -> Callable[[Any], bool]:
    """Whether a JSON value is one that the input may have."""
    if spec.type == "string":
        return lambda each: isinstance(each, str)
    if spec.type == "bool":
        return lambda each: isinstance(each, bool)
    if spec.type in _WHOLE_MAX:
        exact, most = np.dtype(spec.type).type, _WHOLE_MAX[spec.type]
        return lambda each: each is None or (_is_real(each) and _stays(each, exact, most))
    return lambda each: _is_real(each) and (isinstance(each, int) or each.is_integer())


def _stays(value: float, exact: Callable[[Any], Any], most: int) -> bool:
    """Whether a whole number is still the same as a float; fractions may be rounded."""
    if not isinstance(value, int) or abs(value) <= most:
        return True
    with np.errstate(over="ignore"):
        return abs(value) < _LARGEST and float(exact(value)) == value


def _is_real(value: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(value: Any) -> str:  # noqa: ANN401 - any JSON
    return "null" if value is None else f"the value {str(value)[:50]!r}"


def _through(spec: TensorSpec) -> Any:  # noqa: ANN401 - a dtype
    """The type that JSON values pass through: objects, where a number may be too large for any."""
    if spec.type == "bool":
        return np.bool_
    return np.float64 if spec.type in _WHOLE_MAX else object


def _exact(column: str, array: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """The array in its type; raises InvalidInput where a whole number would become another."""
    wanted = np.dtype(spec.type)
    if array.dtype == wanted:
        return array
    if array.dtype == object or wanted.kind in "iu":
        return _whole(column, array, spec, wanted)
    with np.errstate(over="ignore", invalid="ignore"):
        made = array.astype(wanted)
        is_changed = np.isinf(made) & np.isfinite(array) if wanted.kind == "f" else made != array
    if array.dtype.kind in "iu":
        is_changed = made.astype(array.dtype) != array
    _refuse(column, array, is_changed, spec)
    return made


def _whole(column: str, array: np.ndarray, spec: TensorSpec, wanted: np.dtype) -> np.ndarray:
    limits = np.iinfo(wanted)
    is_over = (array < limits.min) | (array > limits.max)
    _refuse(column, array, np.asarray(is_over, dtype=bool), spec)
    return array.astype(wanted)


def _refuse(column: str, array: np.ndarray, is_changed: np.ndarray, spec: TensorSpec) -> None:
    if is_changed.any():
        value = array[is_changed].reshape(-1)[0]
        raise unfit(column, spec, f"the value {value}, which {spec.type} cannot hold")


def stacked(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Columns side by side."""
    return np.stack(list(arrays), axis=1)
