"""What belongs to vector indexes: embedding models, the reader of documents, and the services."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from anyio.abc import TaskGroup

from servicetsunami.engines.vectors.directories import open_directory
from servicetsunami.engines.vectors.embedding import packaged
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.budgets import Budgets
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.embeddings import Embeddings, Model
from servicetsunami.services.following import Following
from servicetsunami.services.index_files import IndexFiles
from servicetsunami.services.indexing import Indexing
from servicetsunami.services.paths import AllowedRoots
from servicetsunami.services.quotas import Quotas
from servicetsunami.services.remote_embedder import RemoteModel
from servicetsunami.services.run_data import RunData
from servicetsunami.services.upkeep import Upkeep
from servicetsunami.services.usage import UsageMeter
from servicetsunami.services.vector_search import VectorSearch
from servicetsunami.services.vectors import Vectors
from servicetsunami.settings import Settings

_READERS: Final = 2
_ADDRESS_SPACE_BYTES: Final = 3 * 2**30


def reading_pool(zygote: Zygote) -> WorkerPool:
    """Children that read documents."""
    return WorkerPool(
        zygote=zygote,
        target="servicetsunami.engines.vectors.reading:run",
        options={},
        workers_max=_READERS,
        address_space_bytes=_ADDRESS_SPACE_BYTES,
        spare=0,
    )


def vectors(
    *,
    data: RunData,
    datasets: Datasets,
    roots: AllowedRoots,
    pool: WorkerPool,
    usage: UsageMeter,
    tasks: TaskGroup,
    models: Sequence[Callable[[], Model]],
    budgets: Budgets,
    quotas: Quotas,
    data_dir: Path,
) -> Vectors:
    """The services for indexes, with what they stand on; the first of `models` is the default."""
    embeddings = Embeddings(models, budgets)
    indexing = Indexing(data=data, embeddings=embeddings, quotas=quotas, data_dir=data_dir)
    following = Following(metadata=data.metadata, indexing=indexing)
    upkeep = Upkeep(indexing=indexing, following=following, tasks=tasks)
    finding = VectorSearch(
        metadata=data.metadata,
        indexing=indexing,
        upkeep=upkeep,
        embeddings=embeddings,
        usage=usage,
        data_dir=data_dir,
    )
    return Vectors(
        metadata=data.metadata,
        datasets=datasets,
        indexing=indexing,
        files=IndexFiles(indexing=indexing, roots=roots, pool=pool, data_dir=data_dir),
        following=following,
        upkeep=upkeep,
        embeddings=embeddings,
        finding=finding,
        usage=usage,
        data_dir=data_dir,
    )


def embedding_models(settings: Settings, connection: Connection) -> list[Callable[[], Model]]:
    """What opens each model: of the workspace, of directories, and the one of the package."""
    openers: list[Callable[[], Model]] = []
    if settings.databricks_embedding_endpoint:
        endpoint = settings.databricks_embedding_endpoint
        openers.append(partial(RemoteModel, connection, endpoint))
    openers += [partial(open_directory, directory) for directory in settings.embedding_models]
    return [*openers, packaged]
