"""Embedding models out of directories: of sentence-transformers with ONNX, and of model2vec.

Nothing is downloaded, and nothing in a directory is run but its network. A name has eight digits of
the weights' hash, so that vectors of two models are never taken for those of one.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.engines.vectors.embedding import Embedder, Network, OnnxEmbedder, session_of
from servicetsunami.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np

_NETWORKS: Final = (
    "onnx/model.onnx",
    "model.onnx",
    "onnx/model_quantized.onnx",
    "onnx/model_qint8_avx512_vnni.onnx",
)
_STATIC: Final = "model2vec"
_WEIGHTS: Final = "model.safetensors"
_TOKENIZER: Final = "tokenizer.json"
_POOLING: Final = "1_Pooling/config.json"
_TOKENS_MAX: Final = 512
_UNKNOWN: Final = "licence not known"
_HINT: Final = "Have SERVICETSUNAMI_EMBEDDING_MODELS name directories of embedding models."


def open_directory(directory: Path) -> Embedder:
    """The model in a directory; raises ConfigurationError that says what is missing."""
    settings = _read(directory / "config.json")
    if settings.get("model_type") == _STATIC or _is_static(directory):
        return StaticEmbedder(directory)
    network = next((directory / each for each in _NETWORKS if (directory / each).is_file()), None)
    if network is None:
        raise ConfigurationError(
            f"{directory} has no model that can be run here: neither ONNX nor model2vec.",
            "Export it: optimum-cli export onnx --model <directory> <directory>/onnx.",
        )
    if not (directory / _TOKENIZER).is_file():
        raise ConfigurationError(f"{directory} has no {_TOKENIZER}.", _HINT)
    return OnnxEmbedder(
        name=_name(directory, network),
        licence=_UNKNOWN,
        dimension=int(settings["hidden_size"]),
        load=partial(_network, directory, network, settings),
    )


class StaticEmbedder:
    """Embeds by model2vec: the mean of vectors that words always have."""

    def __init__(self, directory: Path) -> None:
        self.name = _name(directory, directory / _WEIGHTS)
        self.licence = _UNKNOWN
        self._model = _static(directory)
        self.dimension = int(self._model.dim)

    def embed(self, texts: Sequence[str]) -> "np.ndarray":
        """The vectors of the texts, in their order: float32, shape (count, dimension)."""
        import numpy as np  # noqa: PLC0415 - heavy

        vectors = self._model.encode(list(texts), use_multiprocessing=False).astype(np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _is_static(directory: Path) -> bool:
    """Whether sentence-transformers would take it for a model of model2vec."""
    try:
        modules = (directory / "modules.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return "StaticEmbedding" in modules


def _static(directory: Path) -> Any:  # noqa: ANN401 - of an optional library
    try:
        from model2vec import StaticModel  # noqa: PLC0415 - optional
    except ImportError as error:
        raise ConfigurationError(
            f"{directory} is a model of model2vec, which is not installed.",
            "Install servicetsunami[model2vec].",
        ) from error
    return StaticModel.from_pretrained(directory)


def _network(directory: Path, network: Path, settings: dict[str, Any]) -> Network:
    from tokenizers import Tokenizer  # noqa: PLC0415 - heavy

    tokenizer = Tokenizer.from_file(str(directory / _TOKENIZER))
    longest = int(settings.get("max_position_embeddings", _TOKENS_MAX))
    sentence = _read(directory / "sentence_bert_config.json")
    tokenizer.enable_truncation(min(int(sentence.get("max_seq_length") or longest), longest))
    tokenizer.no_padding()
    is_first = _read(directory / _POOLING).get("pooling_mode_cls_token") is True
    return Network(
        session=session_of(str(network)),
        tokenizer=tokenizer,
        pooling="cls" if is_first else "mean",
    )


def _name(directory: Path, weights: Path) -> str:
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{weights} cannot be read: {error.strerror}.", _HINT) from error
    return f"{directory.name}@{digest[:8]}"


def _read(path: Path) -> dict[str, Any]:
    """A file of settings in JSON; nothing where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", _HINT) from error
    return found if isinstance(found, dict) else {}
