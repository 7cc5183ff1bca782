"""What belongs to the workspace: its configuration, and the worker that sends changes."""

import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import SecretStr

from servicetsunami import __version__
from servicetsunami.app.children import staging_pool
from servicetsunami.domain.budget import Permit
from servicetsunami.domain.caller import LOCAL_TENANT, Caller
from servicetsunami.domain.dataset import DEFAULT_SCHEMA
from servicetsunami.domain.outbox import AssetKind
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.gateway.connection import Connection
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata
from servicetsunami.sync.places import Places

if TYPE_CHECKING:
    from servicetsunami.gateway.config import WorkspaceConfig
    from servicetsunami.sync.worker import Courier, SyncWorker


def sync_worker(
    settings: Settings,
    *,
    metadata: Metadata,
    connection: Connection,
    zygote: Zygote,
    admit: Callable[[str], Awaitable[Permit]],
) -> "tuple[SyncWorker | None, Places]":
    """The worker, or None where there is no workspace; and where tenants' data stand there.

    `admit` asks a tenant's budget.
    """
    places = Places(catalog_of=partial(catalog_of, settings), volume=settings.databricks_volume)
    if not settings.databricks_enabled:
        return None, places
    from servicetsunami.sync.worker import Pace, SyncWorker  # noqa: PLC0415 - only with one

    worker = SyncWorker(
        metadata=metadata,
        couriers=_couriers(settings, metadata, connection, zygote, places),
        owner=process_name(),
        admit=admit,
        tenants=settings.databricks_enabled_tenants or None,
        pace=Pace(lease_s=settings.sync_lease_s),
    )
    return worker, places


def _couriers(
    settings: Settings, metadata: Metadata, connection: Connection, zygote: Zygote, places: Places
) -> "dict[AssetKind, Courier]":
    """What carries each kind of asset."""
    from servicetsunami.sync.jobs import JobCourier  # noqa: PLC0415
    from servicetsunami.sync.models import ModelCourier  # noqa: PLC0415
    from servicetsunami.sync.notebooks import NotebookCourier  # noqa: PLC0415 - only with one
    from servicetsunami.sync.tables import TableCourier  # noqa: PLC0415
    from servicetsunami.sync.vectors import EndpointChoice, IndexCourier  # noqa: PLC0415

    return {
        AssetKind.DATASET: TableCourier(
            metadata=metadata,
            connection=connection,
            pool=staging_pool(settings, zygote),
            places=places,
            data_dir=settings.data_dir,
        ),
        AssetKind.NOTEBOOK: NotebookCourier(metadata=metadata, connection=connection),
        AssetKind.JOB: JobCourier(
            metadata=metadata, connection=connection, catalog_of=partial(catalog_of, settings)
        ),
        AssetKind.ENDPOINT: ModelCourier(
            metadata=metadata, connection=connection, catalog_of=partial(catalog_of, settings)
        ),
        AssetKind.INDEX: IndexCourier(
            metadata=metadata,
            connection=connection,
            places=places,
            endpoint=EndpointChoice(
                name=settings.databricks_vector_endpoint,
                kind=settings.databricks_vector_endpoint_type,
            ),
            data_dir=settings.data_dir,
        ),
    }


async def prepare(metadata: Metadata, connection: Connection, places: Places, tenant: str) -> None:
    """Create what a tenant needs on Databricks, looking again at what was there before.

    What an administrator has said about the catalog is said there too.
    """
    places.forget(tenant)
    workspace = await connection.workspace()
    place = await places.prepare(workspace, tenant, DEFAULT_SCHEMA)
    async with metadata.read() as transaction:
        comment = await transaction.tenants.catalog_comment(tenant)
    if comment is not None:
        await workspace.catalogs.set_comment(place.catalog, comment)


def catalog_of(settings: Settings, tenant: str) -> str:
    """The catalog of a tenant, the same here and there."""
    return settings.catalog_of(tenant, is_single=tenant == LOCAL_TENANT)


def caller_of(settings: Settings, tenant: str, subject: str) -> Caller:
    """Who a tenant's own work is done for when nobody calls: of other catalogs it reads none."""
    return Caller(
        tenant=tenant,
        subject=subject,
        catalog=catalog_of(settings, tenant),
        has_databricks=settings.has_databricks(tenant),
    )


def workspace_config(settings: Settings) -> "WorkspaceConfig":
    """Put the credentials together, from the settings or from a profile."""
    from servicetsunami.gateway.config import Given, resolve  # noqa: PLC0415 - only with one

    given = Given(
        host=settings.databricks_host,
        token=_secret(settings.databricks_token),
        client_id=settings.databricks_client_id,
        client_secret=_secret(settings.databricks_client_secret),
        auth_type=settings.databricks_auth_type,
        profile=settings.databricks_config_profile,
        config_file=settings.databricks_config_file,
        warehouse_id=settings.databricks_warehouse_id,
    )
    return resolve(
        given,
        requests_per_s=settings.databricks_requests_per_s,
        user_agent=f"servicetsunami/{__version__}",
        notebooks_folder=settings.databricks_notebooks,
        cluster_id=settings.databricks_cluster_id,
    )


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()


def process_name() -> str:
    """A name of this process that no other has, for leases."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
