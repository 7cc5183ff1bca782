"""One Databricks workspace: its verbs by noun, over one client."""

from dataclasses import dataclass

import httpx

from servicetsunami.gateway.authorities import authorities
from servicetsunami.gateway.billing import Billing
from servicetsunami.gateway.catalogs import Catalogs
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.config import WorkspaceConfig
from servicetsunami.gateway.downloads import Downloads
from servicetsunami.gateway.files import Files
from servicetsunami.gateway.health import Health
from servicetsunami.gateway.jobs import Jobs
from servicetsunami.gateway.notebooks import Notebooks
from servicetsunami.gateway.runs import Runs
from servicetsunami.gateway.serving import Serving
from servicetsunami.gateway.statements import Statements
from servicetsunami.gateway.vectors import Vectors
from servicetsunami.gateway.warehouses import Warehouses


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Everything that can be asked of a workspace."""

    client: WorkspaceClient
    statements: Statements
    downloads: Downloads
    files: Files
    catalogs: Catalogs
    notebooks: Notebooks
    runs: Runs
    jobs: Jobs
    serving: Serving
    vectors: Vectors
    warehouses: Warehouses
    billing: Billing
    health: Health
    store: httpx.AsyncClient
    """Speaks to object stores, without our credentials."""

    @property
    def cluster_id(self) -> str:
        """The cluster for notebooks and Python; empty stands for serverless compute."""
        return self.client.config.cluster_id

    @property
    def host(self) -> str:
        """Its address."""
        return self.client.config.host

    async def aclose(self) -> None:
        """Close all connections."""
        await self.client.aclose()
        await self.store.aclose()


def open_workspace(config: WorkspaceConfig) -> Workspace:
    """Build the verbs; nothing is sent yet."""
    # Every wait is bounded by the deadlines of the client; these only bound silence on one socket.
    timeout = httpx.Timeout(60.0, connect=config.connect_timeout_s, pool=config.connect_timeout_s)
    tls = authorities()
    spoken = httpx.AsyncClient(base_url=config.host, timeout=timeout, verify=tls)
    client = WorkspaceClient(config, spoken)
    store = httpx.AsyncClient(timeout=timeout, verify=tls, headers={"User-Agent": ""})
    warehouses = Warehouses(client, config.warehouse_id)
    statements = Statements(client, warehouses)
    return Workspace(
        client=client,
        statements=statements,
        downloads=Downloads(client, store),
        files=Files(client),
        catalogs=Catalogs(client),
        notebooks=Notebooks(client, config.notebooks_folder),
        runs=Runs(client, config.cluster_id),
        jobs=Jobs(client),
        serving=Serving(client),
        vectors=Vectors(client),
        warehouses=warehouses,
        billing=Billing(client, statements),
        health=Health(client, warehouses),
        store=store,
    )
