"""Runs ONNX models, whoever made them: for children only, which can be killed."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import onnxruntime

from servicetsunami.domain.endpoint import MAP, Signature, TensorSpec
from servicetsunami.errors import InvalidInput

_FAILURES: Final = tuple(
    each
    for each in vars(import_module("onnxruntime.capi.onnxruntime_pybind11_state")).values()
    if isinstance(each, type) and issubclass(each, Exception)
)
_TYPES: Final = {
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "string",
    "tensor(bool)": "bool",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
}
_INPUTS_MAX: Final = 2_000
_SAID_CHARS_MAX: Final = 500
_QUIET: Final = 4
"""Only what is fatal is written to the log: what a model is wrong in, its error says."""


class OnnxModel:
    """A model that was loaded. Data that it keeps in files beside it must not be elsewhere."""

    def __init__(self, path: Path, *, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = _QUIET
        # What is taken for one batch is given back after it: many of them need no more than one.
        options.enable_cpu_mem_arena = False
        # The file says nothing of how it is to be read, whatever it is called or has in it.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except _FAILURES as error:
            raise InvalidInput(
                f"ONNX Runtime cannot load {path.name}: {_said(error, path)}",
                "Export the model again, with the operators of ONNX only and its data beside it.",
            ) from error
        self.signature = Signature(
            inputs=tuple(map(_input, self._session.get_inputs())),
            outputs=tuple(map(_output, self._session.get_outputs())),
        )
        if not 1 <= len(self.signature.inputs) <= _INPUTS_MAX:
            raise InvalidInput(
                f"The model has {len(self.signature.inputs)} inputs.",
                f"It must have 1 to {_INPUTS_MAX}.",
            )

    def run(self, given: Mapping[str, Any]) -> Sequence[Any]:
        """The outputs, in the order of the signature; raises InvalidInput where it fails."""
        try:
            return self._session.run(None, dict(given))
        except _FAILURES as error:
            text = _said(error, None)
            if "alloc" in text.lower():
                raise MemoryError from error
            raise InvalidInput(
                f"The model failed: {text}", "Check the values against its signature."
            ) from error


def _input(node: Any) -> TensorSpec:  # noqa: ANN401 - of a library without types
    if node.type not in _TYPES:
        raise InvalidInput(
            f"The input {node.name} is of the type {node.type}, which is not served.",
            "Export the model with plain tensors as inputs.",
        )
    return TensorSpec(name=node.name, type=_TYPES[node.type], shape=_shape(node))


def _output(node: Any) -> TensorSpec:  # noqa: ANN401 - of a library without types
    return TensorSpec(name=node.name, type=_TYPES.get(node.type, MAP), shape=_shape(node))


def _shape(node: Any) -> tuple[int | None, ...]:  # noqa: ANN401 - of a library without types
    sizes = [each if isinstance(each, int) and each > 0 else None for each in node.shape or ()]
    return tuple(sizes)


def _said(error: Exception, path: Path | None) -> str:
    """Its own words, in one line, without where our files are."""
    text = " ".join(str(error).split()).removeprefix("[ONNXRuntimeError] : ")
    if path is not None:
        text = text.replace(str(path.parent), "").replace(str(path), path.name)
    return text[:_SAID_CHARS_MAX]
