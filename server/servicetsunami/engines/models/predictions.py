"""Turns what a model gives into JSON, or into columns of a dataset; imports numpy and pyarrow."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from servicetsunami.domain.endpoint import Signature
from servicetsunami.errors import InvalidInput

ONLY = "prediction"
"""The column of a model that gives one thing."""


def as_json(outputs: Sequence[Any], signature: Signature, rows: int) -> Any:  # noqa: ANN401
    """One value for each row, an object where there are several outputs.

    Outputs that do not have a value for each row are given as a whole, by their names.
    """
    values = [_plain(each) for each in outputs]
    names = [each.name for each in signature.outputs]
    if not all(isinstance(each, list) and len(each) == rows for each in values):
        return dict(zip(names, values, strict=True))
    if len(values) == 1:
        return values[0]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def as_columns(
    outputs: Sequence[Any], signature: Signature, rows: int, taken: Sequence[str]
) -> dict[str, "pa.Array"]:
    """A column for each output, called so that none of the names that are `taken` is used."""
    used = {each.lower() for each in taken}
    columns: dict[str, pa.Array] = {}
    for spec, values in zip(signature.outputs, outputs, strict=True):
        name = ONLY if len(outputs) == 1 else spec.name
        while name.lower() in used:
            name = f"predicted_{name}"
        used.add(name.lower())
        column = _column(values)
        if len(column) != rows:
            raise InvalidInput(
                f"The output {spec.name} has {len(column)} values for {rows} rows.",
                "A model that scores a dataset must give one for each row.",
            )
        columns[name] = column
    return columns


def _column(values: Any) -> "pa.Array":  # noqa: ANN401 - an array, or a list of maps
    if not isinstance(values, np.ndarray):
        maps = [[(str(key), float(each)) for key, each in row.items()] for row in values]
        return pa.array(maps, type=pa.map_(pa.string(), pa.float64()))
    if values.ndim > 1 and math.prod(values.shape[1:]) == 1:
        values = values.reshape(len(values))
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype == object:
        values = values.astype(str)
    if values.ndim <= 1:
        return pa.array(values.reshape(-1))
    width = math.prod(values.shape[1:])
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    sizes = pa.array(np.arange(len(values) + 1, dtype=np.int32) * np.int32(width))
    return pa.ListArray.from_arrays(sizes, flat)


def _plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - whatever a model gives
    if isinstance(value, np.ndarray):
        if value.ndim > 1 and math.prod(value.shape[1:]) == 1:
            value = value.reshape(len(value))
        return [_plain(each) for each in value] if value.ndim else _plain(value[()])
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.floating | float):
        # By its text, since 0.1 in 32 bits would else be shown with the digits of 64.
        narrow = np.float32(value)
        number = float(str(narrow if narrow == value else value))
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if isinstance(value, np.generic):
        return value.item()
    return value
