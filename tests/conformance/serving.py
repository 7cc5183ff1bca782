"""The product's server with the suite's fixtures added, over its own HTTP transport.

Run as `python -m tests.conformance.serving DATA_DIR PORT`; serves until SIGTERM.
"""

import sys
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

from servicetsunami.app import open_app
from servicetsunami.settings import Settings
from servicetsunami.transport.addresses import bind
from servicetsunami.transport.http import Listening, Web, serve
from servicetsunami.transport.mcp import LakeServer
from tests.conformance.fixtures import add_fixtures
from tests.conformance.tasks import FixtureTasks


async def main(data_dir: Path, port: int) -> None:
    """Serve what the product serves, and the fixtures."""
    async with open_app(Settings(data_dir=data_dir)) as app, anyio.create_task_group() as group:
        server = LakeServer(app.services, app.caller, task_sources=[FixtureTasks(group)])
        add_fixtures(server)
        await serve(
            server,
            Listening(),
            Web(check_ready=checkpoint, upload_dir=app.settings.data_dir / "temp"),
            bound=bind("127.0.0.1", port),
        )
        group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
