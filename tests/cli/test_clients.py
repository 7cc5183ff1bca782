"""Each client is given its own form, in its own place, with the settings that are set."""

import os
import sys
from pathlib import Path, PurePosixPath

import pytest

from servicetsunami.cli.clients import (
    CLIENTS,
    Machine,
    client_named,
    command_line,
    environment_of,
)
from servicetsunami.errors import InvalidInput
from servicetsunami.settings import Settings

HOME = Path("/home/ada")


@pytest.mark.parametrize(
    ("client", "platform", "expected"),
    [
        (
            "claude-desktop",
            "darwin",
            "Library/Application Support/Claude/claude_desktop_config.json",
        ),
        ("claude-desktop", "linux", ".config/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("claude-code", "darwin", ".claude.json"),
        ("cursor", "linux", ".cursor/mcp.json"),
        ("vscode", "darwin", "Library/Application Support/Code/User/mcp.json"),
        ("vscode", "linux", ".config/Code/User/mcp.json"),
        ("vscode", "win32", "AppData/Roaming/Code/User/mcp.json"),
    ],
)
def test_every_client_is_found_where_it_keeps_its_file(
    client: str, platform: str, expected: str
) -> None:
    machine = Machine(home=HOME, platform=platform, environ={})

    assert CLIENTS[client].user_file(machine) == HOME / PurePosixPath(expected)


def test_folders_that_the_user_has_moved_are_followed() -> None:
    linux = Machine(home=HOME, platform="linux", environ={"XDG_CONFIG_HOME": "/cfg"})
    windows = Machine(home=HOME, platform="win32", environ={"APPDATA": "/roaming"})
    moved = Machine(home=HOME, platform="linux", environ={"CLAUDE_CONFIG_DIR": "/claude"})

    assert CLIENTS["vscode"].user_file(linux) == Path("/cfg/Code/User/mcp.json")
    assert CLIENTS["vscode"].user_file(windows) == Path("/roaming/Code/User/mcp.json")
    assert CLIENTS["claude-code"].user_file(moved) == Path("/claude/.claude.json")


def test_vscode_has_servers_and_the_others_have_mcp_servers() -> None:
    keys = {name: client.servers_key for name, client in CLIENTS.items()}

    assert keys.pop("vscode") == "servers"
    assert set(keys.values()) == {"mcpServers"}


def test_the_entry_starts_this_installation_by_an_absolute_path() -> None:
    entry = CLIENTS["vscode"].entry(Settings())

    assert Path(str(entry["command"])).is_absolute()
    assert Path(str(entry["command"])).is_file()
    assert entry["args"] == ["serve"]
    assert entry["type"] == "stdio"
    assert "type" not in CLIENTS["claude-desktop"].entry(Settings())


def test_the_command_belongs_to_the_running_interpreter() -> None:
    assert Path(command_line()[0]).parent == Path(sys.executable).parent


def test_only_settings_that_somebody_has_set_are_passed_on() -> None:
    assert "env" not in CLIENTS["cursor"].entry(Settings())

    settings = Settings(data_dir=Path("data"), read_only=True, query_timeout_s=5)

    assert environment_of(settings) == {
        "SERVICETSUNAMI_DATA_DIR": str(Path("data").absolute()),
        "SERVICETSUNAMI_READ_ONLY": "true",
        "SERVICETSUNAMI_QUERY_TIMEOUT_S": "5.0",
    }


def test_what_is_passed_on_is_read_back_as_the_same_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=tmp_path, allowed_roots=(tmp_path / "a", tmp_path / "b"), read_only=True
    )

    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, str(value))

    assert Settings() == settings


def test_relative_roots_become_absolute_because_clients_start_us_elsewhere() -> None:
    roots = environment_of(Settings(allowed_roots=(Path("in"),)))["SERVICETSUNAMI_ALLOWED_ROOTS"]

    assert str(roots).split(os.pathsep) == [str(Path("in").absolute())]


def test_an_unknown_client_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="claude-desktop, claude-code, cursor, vscode"):
        client_named("emacs")
