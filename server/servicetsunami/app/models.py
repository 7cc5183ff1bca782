"""What belongs to models: the children that run them, the sandbox, and the service on top."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from servicetsunami.app.costs import Costs
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.catalog import Catalog
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.model_conversion import ModelConversion
from servicetsunami.services.model_runs import ModelRuns
from servicetsunami.services.models import Models
from servicetsunami.services.paths import AllowedRoots
from servicetsunami.services.remote_models import RemoteModels
from servicetsunami.services.usage import UsageMeter
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.engines.kernels.kernel import Kernel


def models(
    settings: Settings,
    *,
    metadata: Metadata,
    catalog: Catalog,
    datasets: Datasets,
    roots: AllowedRoots,
    usage: UsageMeter,
    pool: WorkerPool,
    lend_kernel: "Callable[[str], AbstractAsyncContextManager[Kernel]]",
    connection: Connection,
    costs: Costs,
    wake: Callable[[], None],
) -> Models:
    """The service for models, with what it stands on."""
    runs = ModelRuns(
        pool=pool,
        catalog=catalog,
        datasets=datasets,
        data_dir=settings.data_dir,
        timeout_s=settings.model_timeout_s,
    )
    return Models(
        metadata=metadata,
        runs=runs,
        conversion=ModelConversion(lend_kernel),
        there=RemoteModels(connection, budgets=costs.budgets, shared=costs.shared_endpoints),
        quotas=costs.quotas,
        roots=roots,
        usage=usage,
        data_dir=settings.data_dir,
        on_change=wake,
    )
