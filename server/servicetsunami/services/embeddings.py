"""Knows the embedding models: the one that makes new indexes, and those that others need."""

import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from servicetsunami.engines.vectors.embedding import Embedder
from servicetsunami.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np

BATCH: Final = 16
"""As many texts are embedded between two looks at the clock: long ones take 0.1 s each."""


class Embeddings:
    """Models by their names, opened when they are first asked for; the first one is the default."""

    def __init__(self, openers: Sequence[Callable[[], Embedder]]) -> None:
        self._openers = openers

    @cached_property
    def _known(self) -> dict[str, Embedder]:
        return {model.name: model for model in (opener() for opener in self._openers)}

    async def default(self) -> Embedder:
        """The model of new indexes; raises ConfigurationError for one that cannot be opened.

        Raises a RemoteError for one on Databricks that cannot be asked.
        """
        return await to_thread.run_sync(self._first)

    def _first(self) -> Embedder:
        """The default, with its dimension: of one that is elsewhere, that is asked for."""
        model = next(iter(self._known.values()))
        if model.dimension < 1:
            raise ConfigurationError(f"The model {model.name} makes no vectors.", "Name another.")
        return model

    async def named(self, name: str) -> Embedder:
        """The model of that name; raises ConfigurationError where it is not on this server."""
        known = await to_thread.run_sync(lambda: self._known)
        if name not in known:
            raise ConfigurationError(
                f"The index was made with the model {name!r}, and this server has "
                f"{', '.join(known)}: vectors of two models cannot be compared.",
                "Have SERVICETSUNAMI_EMBEDDING_MODELS name that model, use mode keyword, or make "
                "another index.",
            )
        return known[name]

    async def embed(
        self, model: Embedder, texts: Sequence[str], *, until: float = math.inf
    ) -> "np.ndarray":
        """The vectors of the texts, or of the first ones that there is time for.

        `until` is a time of the monotonic clock. A cancelled call ends with the batch it is at.
        """
        import numpy as np  # noqa: PLC0415 - heavy

        parts = []
        for at in range(0, len(texts), BATCH):
            if time.monotonic() >= until:
                break
            parts.append(await to_thread.run_sync(model.embed, texts[at : at + BATCH]))
        return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)
