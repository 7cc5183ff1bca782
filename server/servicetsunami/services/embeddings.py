"""Knows the embedding models: the one that makes new indexes, and those that others need."""

import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

from anyio import to_thread

from servicetsunami.domain.caller import Caller
from servicetsunami.engines.vectors.embedding import Embedder
from servicetsunami.errors import ConfigurationError
from servicetsunami.services.budgets import Budgets
from servicetsunami.services.remote_embedder import RemoteEmbedder, RemoteModel

if TYPE_CHECKING:
    import numpy as np

Model: TypeAlias = Embedder | RemoteModel
"""A model here, or one on Databricks."""
BATCH: Final = 16
"""As many texts are embedded between two looks at the clock: long ones take 0.1 s each."""


class Embeddings:
    """Models by their names, opened when they are first asked for; the first one is the default."""

    def __init__(self, openers: Sequence[Callable[[], Model]], budgets: Budgets) -> None:
        self._openers = openers
        self._budgets = budgets

    @cached_property
    def _known(self) -> dict[str, Model]:
        return {model.name: model for model in (opener() for opener in self._openers)}

    async def default(self, caller: Caller) -> tuple[str, int]:
        """The model of new indexes, and how many numbers its vectors have.

        Raises ConfigurationError for one that cannot be opened. One on Databricks is asked once,
        which raises a RemoteError where it does not answer, and BudgetUsedUp.
        """
        model = await to_thread.run_sync(lambda: next(iter(self._known.values())))
        if isinstance(model, RemoteModel) and model.dimension is None:
            await self.embed(caller, model, ["dimension"])
        if not model.dimension:
            raise ConfigurationError(f"The model {model.name} makes no vectors.", "Name another.")
        return model.name, model.dimension

    async def named(self, name: str) -> Model:
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
        self, caller: Caller, model: Model, texts: Sequence[str], *, until: float = math.inf
    ) -> "np.ndarray":
        """The vectors of the texts, or of the first ones that there is time for.

        `until` is a time of the monotonic clock. A cancelled call ends with the batch it is at.
        Raises a RemoteError or BudgetUsedUp for a model on Databricks.
        """
        import numpy as np  # noqa: PLC0415 - heavy

        parts = []
        for at in range(0, len(texts), BATCH):
            if time.monotonic() >= until:
                break
            paid = await self._paid(caller, model)
            parts.append(await to_thread.run_sync(paid.embed, texts[at : at + BATCH]))
        return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)

    async def _paid(self, caller: Caller, model: Model) -> Embedder | RemoteEmbedder:
        """The model, with leave to ask it where that costs."""
        if isinstance(model, RemoteModel):
            return model.paid_by(await self._budgets.admit_there(caller.tenant))
        return model
