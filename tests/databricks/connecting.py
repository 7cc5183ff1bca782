"""A server beside a fake workspace."""

from pathlib import Path

from pydantic import SecretStr

from servicetsunami.settings import Settings
from tests.fakes.databricks import FakeWorkspace

CATALOG = "servicetsunami_local"


def connected(workspace: FakeWorkspace, data_dir: Path, roots: Path) -> Settings:
    """Settings of a server that knows the workspace."""
    return Settings(
        data_dir=data_dir,
        allowed_roots=(roots,),
        databricks_enabled=True,
        databricks_host=workspace.url,
        databricks_token=SecretStr(workspace.token),
        databricks_requests_per_s=1000,
        databricks_readable_catalogs=("*",),
        databricks_shared_endpoints=("*",),
    )


def environment(workspace: FakeWorkspace) -> dict[str, str]:
    """The same for a server in a process of its own."""
    return {
        "DATABRICKS_ENABLED": "true",
        "DATABRICKS_HOST": workspace.url,
        "DATABRICKS_TOKEN": workspace.token,
        "DATABRICKS_REQUESTS_PER_S": "1000",
    }
