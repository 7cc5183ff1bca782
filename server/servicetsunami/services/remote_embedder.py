"""Embeds texts by an endpoint of Databricks, such as databricks-gte-large-en."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from anyio import from_thread

from servicetsunami.domain.budget import Permit
from servicetsunami.errors import RemoteRefused
from servicetsunami.gateway.connection import Connection

if TYPE_CHECKING:
    import numpy as np

_ASK_S: Final = 20.0
_AT_ONCE: Final = 100
"""As many texts Databricks' own embedding models take in one request."""


class RemoteModel:
    """A model that is elsewhere, and costs: it embeds for whoever has leave to spend."""

    licence = "as Databricks serves it"

    def __init__(self, connection: Connection, endpoint: str) -> None:
        self.name = f"databricks:{endpoint}"
        self.dimension: int | None = None
        """How many numbers its vectors have, once anything was embedded."""
        self._connection = connection
        self._endpoint = endpoint

    def paid_by(self, permit: Permit) -> "RemoteEmbedder":
        """The model for one who pays."""
        return RemoteEmbedder(model=self, permit=permit)

    async def ask(self, texts: list[str], permit: Permit) -> list[list[float]]:
        """One vector for each text; raises a RemoteError."""
        workspace = await self._connection.workspace()
        answer = await workspace.serving.ask(
            self._endpoint, {"input": texts}, deadline_s=_ASK_S, permit=permit
        )
        data = answer.get("data")
        ordered = sorted(data, key=_place) if isinstance(data, list) else []
        vectors = [each.get("embedding") for each in ordered]
        is_good = len(vectors) == len(texts) and all(isinstance(each, list) for each in vectors)
        if not is_good or len({len(each) for each in vectors}) != 1:
            raise RemoteRefused(
                f"The endpoint {self._endpoint} does not answer with one vector for each text.",
                "Have DATABRICKS_EMBEDDING_ENDPOINT name an endpoint whose task is embeddings.",
            )
        self.dimension = len(vectors[0])
        return vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteEmbedder:
    """An Embedder whose model is elsewhere. Call it in anyio's threads: it waits for the answer."""

    model: RemoteModel
    permit: Permit

    def embed(self, texts: Sequence[str]) -> "np.ndarray":
        """The vectors of the texts, in their order: float32, of length 1.

        Raises a RemoteError where the endpoint does not answer, or answers something else.
        """
        import numpy as np  # noqa: PLC0415 - heavy

        found: list[list[float]] = []
        for at in range(0, len(texts), _AT_ONCE):
            some = list(texts[at : at + _AT_ONCE])
            found += from_thread.run(self.model.ask, some, self.permit)
        vectors = np.asarray(found, dtype=np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _place(item: object) -> int:
    """Where an embedding belongs; each says so, in any order."""
    index = item.get("index") if isinstance(item, dict) else None
    return index if isinstance(index, int) else 0
