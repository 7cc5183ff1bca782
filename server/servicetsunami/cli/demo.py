"""`servicetsunami demo`: our server, started and asked as any MCP client would."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters
from mcp.client import Client
from mcp_types import TextContent

from servicetsunami.cli import demo_data
from servicetsunami.cli.clients import command_line, environment_of
from servicetsunami.cli.demo_pages import DemoPages
from servicetsunami.errors import ConfigurationError, ServerError
from servicetsunami.settings import Settings

_READ_TIMEOUT_S = 600.0


class _Asked:
    """A connected client, whose failures are ours and whose answers are plain values."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> list[tuple[str, str]]:
        listed = await self._client.list_tools()
        return [(tool.name, _first_sentence(tool.description or "")) for tool in listed.tools]

    async def call(self, tool: str, **arguments: object) -> tuple[dict[str, Any], float]:
        """The structured answer, and how many seconds it took to come."""
        started = time.monotonic()
        result = await self._client.call_tool(tool, arguments)
        seconds = time.monotonic() - started
        if result.is_error or result.structured_content is None:
            said = [part.text for part in result.content if isinstance(part, TextContent)]
            raise ServerError(
                f"{tool} failed: {' '.join(said)}",
                "Run `servicetsunami doctor`, or try `servicetsunami demo --fresh`.",
            )
        return dict(result.structured_content), seconds


async def run_demo(settings: Settings, fresh: bool) -> None:
    """Run the demo in a data directory of its own, and print what happens.

    Raises ConfigurationError when the demo's data is not installed or the server does not start.
    """
    started = time.monotonic()
    folder = demo_data.data_folder()
    data_dir = demo_dir(settings)
    if fresh:
        shutil.rmtree(data_dir, ignore_errors=True)
    pages = DemoPages()
    pages.opening(data_dir)
    parameters = _parameters(settings, data_dir=data_dir, folder=folder)
    failure: ServerError | None = None
    async with Client(parameters, read_timeout_seconds=_READ_TIMEOUT_S) as client:
        asked = _Asked(client)
        try:
            pages.tools(await asked.tools(), seconds=time.monotonic() - started)
            await _tour(asked, folder, pages)
        except ServerError as error:
            # Raised further only outside: the client would wrap it in groups of exceptions.
            failure = error
    if failure is not None:
        raise failure
    pages.closing(data_dir, typed=_typed(), seconds=time.monotonic() - started)


async def _tour(asked: _Asked, folder: Path, pages: DemoPages) -> None:
    await _ingest(asked, folder, pages)
    described, seconds = await asked.call("describe_asset", name="flights")
    pages.described(described, seconds=seconds)
    for example in demo_data.EXAMPLES:
        answer, seconds = await asked.call("query_dataset", sql=example.sql)
        pages.answer(example.asked, example.sql, answer, seconds=seconds)
    await _travel_in_time(asked, pages)


def demo_dir(settings: Settings) -> Path:
    """Beside the real data directory, so that the demo cannot disturb real data."""
    return settings.data_dir.with_name(f"{settings.data_dir.name}-demo")


def _parameters(settings: Settings, *, data_dir: Path, folder: Path) -> StdioServerParameters:
    command, *arguments = command_line()
    environment = {name: str(value) for name, value in environment_of(settings).items()}
    environment |= {
        "SERVICETSUNAMI_DATA_DIR": str(data_dir),
        "SERVICETSUNAMI_DATABASE_URL": "",
        "SERVICETSUNAMI_ALLOWED_ROOTS": str(folder),
        "SERVICETSUNAMI_READ_ONLY": "false",
    }
    if not os.access(command, os.X_OK):
        raise ConfigurationError(f"{command} cannot be started.", "Install the package again.")
    return StdioServerParameters(
        command=command, args=[*arguments, "serve"], env={**os.environ, **environment}
    )


async def _ingest(asked: _Asked, folder: Path, pages: DemoPages) -> None:
    listed, _ = await asked.call("list_assets")
    known = {asset["name"].removeprefix("default."): asset for asset in listed["assets"]}
    pages.ingest_opening(again=len(known) == len(demo_data.FILES))
    for name, file in demo_data.FILES.items():
        if name in known:
            pages.reused(name, known[name])
            continue
        report, seconds = await asked.call(
            "ingest_dataset",
            source=str(folder / file),
            name=name,
            options={"null_values": ["NA", ""], "idempotency_key": f"demo-{name}"},
        )
        pages.ingested(name, file, report, seconds=seconds)


async def _travel_in_time(asked: _Asked, pages: DemoPages) -> None:
    described, _ = await asked.call("describe_asset", name="airlines")
    first = min(version["version"] for version in described["versions"])
    if not _is_corrected(described):
        change, seconds = await asked.call(
            "ingest_dataset",
            source=list(demo_data.CORRECTION),
            name="airlines",
            mode="merge",
            keys=["carrier"],
        )
        pages.changed(change, first=first, seconds=seconds)
    sql = demo_data.TIME_TRAVEL.format(version=first)
    answer, seconds = await asked.call("query_dataset", sql=sql)
    pages.answer(f"What was it before, in version {first}?", sql, answer, seconds=seconds)


def _is_corrected(described: Mapping[str, Any]) -> bool:
    return any(version["operation"].lower() == "merge" for version in described["versions"])


def _first_sentence(description: str) -> str:
    paragraph = " ".join(description.split("\n\n", maxsplit=1)[0].split())
    return paragraph.split(". ")[0].rstrip(".")


def _typed() -> str:
    """How this command can be typed here: by its name where that is on the PATH."""
    command = Path(command_line()[0])
    found = shutil.which(command.name)
    if found and Path(found) == command:
        return command.name
    return str(command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command)
