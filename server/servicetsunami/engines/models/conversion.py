"""Turns a scikit-learn model in a skops file into ONNX; runs in the sandbox of notebooks only.

skops builds the model out of types that it knows to be harmless. What it does not know is refused.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

_TYPES: Final = {
    "string": "StringTensorType",
    "boolean": "BooleanTensorType",
    "integer": "Int64TensorType",
    "long": "Int64TensorType",
    "float": "FloatTensorType",
    "double": "FloatTensorType",
}


def convert(source: str, target: str, columns: Sequence[Sequence[str]]) -> None:
    """Write the ONNX model, and beside it the names of its features; `columns` are as MLflow's.

    Raises ValueError that says why it cannot be.
    """
    import skops.io  # noqa: PLC0415 - there in the sandbox only
    from skl2onnx import to_onnx  # noqa: PLC0415

    unknown = skops.io.get_untrusted_types(file=source)
    if unknown:
        raise ValueError(f"it holds types that may run code: {', '.join(map(str, unknown))}")
    model = skops.io.load(source, trusted=[])
    made = to_onnx(model, initial_types=_inputs(model, columns))
    Path(target).write_bytes(made.SerializeToString())
    names = [str(each) for each in getattr(model, "feature_names_in_", ())]
    Path(f"{target}.json").write_text(json.dumps(names), encoding="utf-8")


def _inputs(model: Any, columns: Sequence[Sequence[str]]) -> list[tuple[str, Any]]:  # noqa: ANN401
    """One input of floats; or one for each column, where they are of several kinds."""
    from skl2onnx.common import data_types  # noqa: PLC0415 - there in the sandbox only

    kinds = {kind for _, kind in columns}
    if kinds - {"float", "double", "integer", "long"} or _picks_columns(model):
        if not columns or kinds - set(_TYPES):
            raise ValueError("its columns have types that are not known; save it with MLflow")
        return [(name, getattr(data_types, _TYPES[kind])([None, 1])) for name, kind in columns]
    count = getattr(model, "n_features_in_", None)
    return [("X", data_types.FloatTensorType([None, count]))]


def _picks_columns(model: Any) -> bool:  # noqa: ANN401 - any estimator
    """Whether it takes columns by their names."""
    steps = [step for _, step in getattr(model, "steps", ())]
    return any(type(each).__name__ == "ColumnTransformer" for each in [model, *steps[:1]])
