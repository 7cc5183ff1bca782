"""Reads the MLmodel file of a model that MLflow has saved: what to load, and what it takes."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from servicetsunami.errors import InvalidInput

FILE: Final = "MLmodel"
_BYTES_MAX: Final = 256 * 1024
_WAY_OUT: Final = (
    "Save it with mlflow.onnx, or with mlflow.sklearn and serialization_format='skops'."
)


def read_mlmodel(folder: Path) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """The file to load, below the folder; its flavour; names and types of the columns, if known.

    Raises InvalidInput, by their names, for flavours that only a pickle could be loaded for.
    """
    content = _content(folder)
    flavours = _object(content.get("flavors"))
    onnx, sklearn = _object(flavours.get("onnx")), _object(flavours.get("sklearn"))
    if "data" in onnx:
        return _inside(folder, onnx["data"]), "onnx", _columns(content)
    if sklearn.get("serialization_format") == "skops":
        return _inside(folder, sklearn.get("pickled_model")), "skops", _columns(content)
    raise InvalidInput(
        f"{folder.name} has the MLflow flavours {', '.join(map(str, flavours)) or '(none)'}, which "
        "only a pickle could be loaded for, and that would run whatever its maker put into it.",
        _WAY_OUT,
    )


def _content(folder: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - only for such models

    with (folder / FILE).open("rb") as file:
        text = file.read(_BYTES_MAX + 1)
    try:
        found = yaml.safe_load(text) if len(text) <= _BYTES_MAX else None
    except (yaml.YAMLError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(
            f"The MLmodel file of {folder.name} cannot be read.",
            "Save the model with MLflow again.",
        )
    return found


def _inside(folder: Path, name: Any) -> str:  # noqa: ANN401 - whatever a file says
    path = PurePosixPath(str(name))
    is_inside = not path.is_absolute() and ".." not in path.parts
    if not is_inside or not (folder / path).is_file():
        raise InvalidInput(
            f"The MLmodel file of {folder.name} names a file {str(name)[:200]!r} that is not in "
            "the folder.",
            "Give the whole folder that MLflow has saved.",
        )
    return str(path)


def _columns(content: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The columns of its signature; none where it has tensors, or none at all."""
    try:
        inputs = json.loads(_object(content.get("signature")).get("inputs") or "[]")
    except (TypeError, ValueError, RecursionError):
        return ()
    named = [each for each in inputs if isinstance(each, dict) and "name" in each]
    if (
        not named
        or len(named) != len(inputs)
        or any(each.get("type") == "tensor" for each in named)
    ):
        return ()
    return tuple((str(each["name"]), str(each.get("type"))) for each in named)


def _object(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever a file says
    return value if isinstance(value, dict) else {}
