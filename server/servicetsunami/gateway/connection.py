"""The workspace, opened by the first who needs it: without one nothing of HTTP is imported."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from servicetsunami.errors import ConfigurationError

if TYPE_CHECKING:
    from servicetsunami.gateway.config import WorkspaceConfig
    from servicetsunami.gateway.workspace import Workspace

_WORKSPACE = "servicetsunami.gateway.workspace"


class Connection:
    """Hands out the one workspace of this server.

    `configure` reads the configuration and may raise ConfigurationError; None stands for a server
    without Databricks.
    """

    def __init__(self, configure: "Callable[[], WorkspaceConfig] | None") -> None:
        self._configure = configure
        self._opening = anyio.Lock()
        self._workspace: Workspace | None = None

    @property
    def is_configured(self) -> bool:
        """Whether this server has been told of a workspace."""
        return self._configure is not None

    @property
    def opened(self) -> "Workspace | None":
        """The workspace, if somebody has needed it already."""
        return self._workspace

    async def workspace(self) -> "Workspace":
        """The workspace; nothing is sent yet. Raises ConfigurationError when there is none."""
        if self._workspace is None:
            async with self._opening:
                if self._workspace is None:
                    self._workspace = await self._open()
        return self._workspace

    async def _open(self) -> "Workspace":
        if self._configure is None:
            raise ConfigurationError(
                "No Databricks workspace is connected.",
                "Set DATABRICKS_ENABLED=true, DATABRICKS_HOST and credentials.",
            )
        # In a thread, since the imports take long and others must not wait for them.
        gateway = await to_thread.run_sync(import_module, _WORKSPACE)
        config = await to_thread.run_sync(self._configure)
        return gateway.open_workspace(config)

    async def aclose(self) -> None:
        """Close its connections, if it was ever opened."""
        if self._workspace is not None:
            await self._workspace.aclose()
            self._workspace = None
