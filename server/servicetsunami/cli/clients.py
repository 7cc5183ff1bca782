"""The MCP clients we can set up: where each keeps its servers, and in which form."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from servicetsunami.cli.jsonc import Json
from servicetsunami.errors import InvalidInput
from servicetsunami.settings import Settings, variable

SERVER_NAME = "servicetsunami"
_MODULE_ARGUMENTS = ("-P", "-m", "servicetsunami")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where programs keep their files here; `platform` is as in `sys.platform`."""

    home: Path
    platform: str
    environ: Mapping[str, str]

    @classmethod
    def this(cls) -> "Machine":
        """The machine and the user we run as."""
        return cls(home=Path.home(), platform=sys.platform, environ=os.environ)

    @property
    def app_data(self) -> Path:
        """The folder where desktop programs keep what belongs to the user."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        if self.platform == "win32":
            return Path(self.environ.get("APPDATA") or self.home / "AppData" / "Roaming")
        return Path(self.environ.get("XDG_CONFIG_HOME") or self.home / ".config")

    @property
    def claude_code_home(self) -> Path:
        """Where Claude Code keeps `.claude.json`."""
        return Path(self.environ.get("CLAUDE_CONFIG_DIR") or self.home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One MCP client: its name here, its key for servers, whether an entry names its type."""

    name: str
    title: str
    servers_key: str
    names_type: bool
    project_file: str | None
    then: str

    @property
    def entry_path(self) -> tuple[str, str]:
        """Where our entry stands in the client's file."""
        return (self.servers_key, SERVER_NAME)

    def user_file(self, machine: Machine) -> Path:
        """The file that holds for all projects of the user."""
        places = {
            "claude-desktop": machine.app_data / "Claude" / "claude_desktop_config.json",
            "claude-code": machine.claude_code_home / ".claude.json",
            "cursor": machine.home / ".cursor" / "mcp.json",
            "vscode": machine.app_data / "Code" / "User" / "mcp.json",
        }
        return places[self.name]

    def entry(self, settings: Settings) -> dict[str, Json]:
        """What the client needs to start this installation with these settings."""
        command, *arguments = command_line()
        entry: dict[str, Json] = {"type": "stdio"} if self.names_type else {}
        entry |= {"command": command, "args": [*arguments, "serve"]}
        environment = environment_of(settings)
        return entry | {"env": environment} if environment else entry


CLIENTS = {
    client.name: client
    for client in (
        Client(
            name="claude-desktop",
            title="Claude Desktop",
            servers_key="mcpServers",
            names_type=False,
            project_file=None,
            then="Quit Claude Desktop completely and start it again.",
        ),
        Client(
            name="claude-code",
            title="Claude Code",
            servers_key="mcpServers",
            names_type=True,
            project_file=".mcp.json",
            then="Start a new session, and type /mcp to see the server.",
        ),
        Client(
            name="cursor",
            title="Cursor",
            servers_key="mcpServers",
            names_type=True,
            project_file=".cursor/mcp.json",
            then="Restart Cursor, and switch the server on in its MCP settings.",
        ),
        Client(
            name="vscode",
            title="VS Code",
            servers_key="servers",
            names_type=True,
            project_file=".vscode/mcp.json",
            then='Run "MCP: List Servers" from the command palette, and start the server.',
        ),
    )
}


def client_named(name: str) -> Client:
    """The client of that name; raises InvalidInput with all names."""
    if name not in CLIENTS:
        raise InvalidInput(f"No client is named {name!r}.", f"Choose one of {', '.join(CLIENTS)}.")
    return CLIENTS[name]


def command_line() -> list[str]:
    """What starts this very installation from anywhere: absolute, whatever the PATH is.

    Without the installed command it is the interpreter, with -P, so that a file in the client's
    working directory cannot take the place of a module of ours.
    """
    python = Path(sys.executable)
    script = python.with_name("servicetsunami.exe" if sys.platform == "win32" else "servicetsunami")
    if script.is_file():
        return [str(script)]
    return [str(python), *_MODULE_ARGUMENTS]


def environment_of(settings: Settings) -> dict[str, Json]:
    """The environment variables that bring about the settings that somebody has set.

    Secrets are left out: they do not belong into files that clients share and back up.
    """
    return {
        variable(name, field): _as_text(value)
        for name, field in type(settings).model_fields.items()
        if name in settings.model_fields_set
        and (value := getattr(settings, name)) is not None
        and not isinstance(value, SecretStr)
    }


def _as_text(value: object) -> str:
    if isinstance(value, tuple) and all(isinstance(part, Path) for part in value):
        return os.pathsep.join(str(part.expanduser().absolute()) for part in value)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
