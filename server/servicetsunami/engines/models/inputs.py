"""Reads what a model is asked, in the formats of Databricks' model serving, into its inputs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from servicetsunami.domain.endpoint import Signature
from servicetsunami.engines.models import casting
from servicetsunami.engines.models.layout import Feed, lay_out
from servicetsunami.errors import InvalidInput

FORMATS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")


def fed(given: Mapping[str, Any], signature: Signature) -> dict[str, np.ndarray]:
    """The arrays for the inputs of a model; raises InvalidInput that names what does not fit."""
    [kind] = [each for each in FORMATS if each in given]
    content = given[kind]
    if kind in {"instances", "inputs"} and not _has_names(content):
        return _tensor(kind, content, signature)
    columns = _columns(kind, content)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1 or not lengths.pop():
        raise InvalidInput(f"{kind} has no rows, or columns of several lengths.", "Give 1 or more.")
    return {feed.spec.name: _array(feed, columns) for feed in lay_out(signature, list(columns))}


def _array(feed: Feed, columns: Mapping[str, Sequence[Any]]) -> np.ndarray:
    spec = feed.spec
    arrays = [casting.of_values(name, columns[name], spec) for name in feed.columns]
    made = casting.stacked(arrays) if feed.is_stacked else arrays[0]
    return casting.fitted(feed.columns[0] if len(feed.columns) == 1 else spec.name, made, spec)


def _has_names(content: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(content, dict) or (
        isinstance(content, list) and bool(content) and isinstance(content[0], dict)
    )


def _tensor(kind: str, content: Any, signature: Signature) -> dict[str, np.ndarray]:  # noqa: ANN401
    if len(signature.inputs) != 1:
        names = ", ".join(each.name for each in signature.inputs)
        raise InvalidInput(
            f"The model has {len(signature.inputs)} inputs, and {kind} names none.",
            f"Give an object with: {names}.",
        )
    if not isinstance(content, list) or not content:
        raise InvalidInput(f"{kind} must be a list with an item for each row.", "Give 1 or more.")
    [spec] = signature.inputs
    return {spec.name: casting.fitted(spec.name, casting.of_values(kind, content, spec), spec)}


def _columns(kind: str, content: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - any JSON
    if kind == "dataframe_split":
        return _split(content)
    if isinstance(content, dict):
        wrong = [name for name, values in content.items() if not isinstance(values, list)]
        if wrong:
            raise InvalidInput(
                f"{kind}: {wrong[0]!r} is no list.", "Give a list with an item for each row."
            )
        return content
    return _records(kind, content)


def _split(content: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - any JSON
    is_known = isinstance(content, dict) and set(content) <= {"columns", "data", "index"}
    columns, data = (content.get("columns"), content.get("data")) if is_known else (None, None)
    if not isinstance(columns, list) or not isinstance(data, list):
        raise InvalidInput(
            "dataframe_split must be an object with `columns` and `data`.",
            "Give {columns: [names], data: [[values of a row]]}.",
        )
    names = [str(each) for each in columns]
    for number, row in enumerate(data, 1):
        if not isinstance(row, list) or len(row) != len(names):
            raise InvalidInput(
                f"Row {number} of dataframe_split does not have {len(names)} values.",
                "Give each row a value for each of `columns`.",
            )
    if len(set(names)) != len(names):
        raise InvalidInput("dataframe_split has two columns of one name.", "Name each only once.")
    return {name: [row[at] for row in data] for at, name in enumerate(names)}


def _records(kind: str, content: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - any JSON
    if not isinstance(content, list) or not content:
        raise InvalidInput(f"{kind} must be a list with an object for each row.", "Give 1 or more.")
    first = content[0]
    names = list(first) if isinstance(first, dict) else []
    for number, row in enumerate(content, 1):
        if not isinstance(row, dict):
            raise InvalidInput(f"Row {number} of {kind} is no object.", "Give column: value.")
        different = set(row) ^ set(names)
        if different:
            raise InvalidInput(
                f"Row {number} of {kind} differs from the first in the column "
                f"{sorted(different)[0]!r}.",
                "Give each row all columns, with null where a number is not known.",
            )
    return {name: [row[name] for row in content] for name in names}
