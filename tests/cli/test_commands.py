"""The commands as they are typed: what they print, what they change, how they exit."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from servicetsunami import __version__
from servicetsunami.cli.clients import CLIENTS, Machine
from servicetsunami.cli.commands import app

Type = Callable[..., Any]


@pytest.fixture
def type_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Run a command as a user whose home is empty."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, list(arguments))


def test_the_version_is_printed(type_command: Type) -> None:
    assert type_command("--version").output == f"servicetsunami {__version__}\n"


def test_without_arguments_the_commands_are_listed(type_command: Type) -> None:
    shown = type_command().output

    for command in ("serve", "init", "doctor", "status", "demo"):
        assert command in shown


@pytest.mark.parametrize("client", list(CLIENTS))
def test_init_enters_the_server_and_remove_leaves_no_trace(type_command: Type, client: str) -> None:
    path = CLIENTS[client].user_file(Machine.this())

    entered = type_command("init", "--client", client)
    assert entered.exit_code == 0
    assert str(path) in entered.output
    assert "servicetsunami" in json.loads(path.read_text())[CLIENTS[client].servers_key]
    assert "is set up already" in type_command("init", "--client", client).output

    removed = type_command("init", "--client", client, "--remove")
    assert removed.exit_code == 0
    assert not path.exists()
    assert "has no entry of ours" in type_command("init", "--client", client, "--remove").output


def test_init_passes_the_data_directory_on(type_command: Type, tmp_path: Path) -> None:
    type_command("--data-dir", "lake", "init", "--client", "cursor")

    entry = json.loads((tmp_path / ".cursor/mcp.json").read_text())["mcpServers"]["servicetsunami"]
    assert entry["env"] == {"SERVICETSUNAMI_DATA_DIR": str(tmp_path / "lake")}


def test_a_dry_run_shows_the_change_and_writes_nothing(type_command: Type, tmp_path: Path) -> None:
    shown = type_command("init", "--client", "vscode", "--dry-run")

    assert '+  "servers": {' in shown.output
    assert "nothing was changed" in shown.output
    assert list(tmp_path.iterdir()) == []


def test_init_can_write_the_file_of_the_current_folder(type_command: Type, tmp_path: Path) -> None:
    type_command("init", "--client", "claude-code", "--project")

    assert json.loads((tmp_path / ".mcp.json").read_text())["mcpServers"]["servicetsunami"]


def test_a_client_without_folder_configuration_says_so(type_command: Type) -> None:
    refused = type_command("init", "--client", "claude-desktop", "--project")

    assert refused.exit_code == 2
    assert "Leave --project out" in refused.output


def test_a_backup_and_what_to_do_next_are_told(type_command: Type, tmp_path: Path) -> None:
    (tmp_path / ".claude.json").write_text('{"theme": "dark"}')

    entered = type_command("init", "--client", "claude-code").output
    assert ".claude.json.servicetsunami-backup" in entered
    assert "type /mcp" in entered

    assert "Restored" in type_command("init", "--client", "claude-code", "--remove").output
    assert (tmp_path / ".claude.json").read_text() == '{"theme": "dark"}'


def test_other_changes_survive_a_removal_which_says_so(type_command: Type, tmp_path: Path) -> None:
    path = tmp_path / ".claude.json"
    path.write_text('{"theme": "dark"}')
    type_command("init", "--client", "claude-code")
    path.write_text(path.read_text().replace("dark", "light"))

    removed = type_command("init", "--client", "claude-code", "--remove").output

    assert "other changes since then were kept" in removed
    assert json.loads(path.read_text()) == {"theme": "light", "mcpServers": {}}


def test_a_database_url_in_the_entry_is_pointed_out(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICETSUNAMI_DATABASE_URL", "postgresql+asyncpg://ada@db/lake")

    assert "holds the database URL" in type_command("init", "--client", "cursor").output


def test_an_unknown_client_and_wrong_settings_are_errors_without_a_traceback(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = type_command("init", "--client", "emacs")
    assert unknown.exit_code == 2
    assert "Choose one of" in unknown.output

    monkeypatch.setenv("SERVICETSUNAMI_HTTP_PORT", "many")
    wrong = type_command("status")
    assert wrong.exit_code == 2
    assert "SERVICETSUNAMI_HTTP_PORT" in wrong.output


def test_host_and_port_without_http_are_refused(type_command: Type) -> None:
    refused = type_command("serve", "--port", "8085")

    assert refused.exit_code == 2
    assert "go with --http" in refused.output


def test_status_of_an_unused_directory_creates_nothing(type_command: Type, tmp_path: Path) -> None:
    shown = type_command("status")

    assert shown.exit_code == 0
    assert "nothing here yet" in shown.output
    assert list(tmp_path.iterdir()) == []
    assert json.loads(type_command("status", "--json").output)["exists"] is False


def test_the_module_and_the_command_are_the_same() -> None:
    command = [sys.executable, "-P", "-m", "servicetsunami", "--version"]

    shown = subprocess.run(command, capture_output=True, text=True, check=True)

    assert shown.stdout == f"servicetsunami {__version__}\n"


def test_wrong_settings_end_the_fast_path_of_serve_with_one_line(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "servicetsunami", "serve"],
        env={"SERVICETSUNAMI_QUERY_WORKERS": "0", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("The settings are not usable: SERVICETSUNAMI_QUERY_WORKERS")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.slow
def test_doctor_and_status_look_at_the_same_directory(type_command: Type, tmp_path: Path) -> None:
    examined = type_command("doctor", "--json")

    assert examined.exit_code == 0
    report = json.loads(examined.output)
    assert report["level"] == "ok"
    assert {check["name"] for check in report["checks"]} >= {"SQL worker", "metadata", "Cursor"}
    assert json.loads(type_command("status", "--json").output)["data_dir"] == str(
        tmp_path / ".servicetsunami"
    )
    assert "outbox" in type_command("status").output


def test_doctor_fails_with_its_fix_when_the_data_directory_cannot_be_used(
    type_command: Type, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()

    examined = type_command("--data-dir", "taken", "doctor")

    assert examined.exit_code == 2
    assert "fix: Make it writable" in examined.output
    assert "Something needs to be fixed." in examined.output


@pytest.mark.slow
def test_serving_over_stdio_loads_nothing_heavy_and_ends_in_order_with_stdin() -> None:
    heavy = {
        *("typer", "sqlalchemy", "alembic", "aiosqlite", "duckdb", "deltalake", "pyarrow"),
        *("pandas", "numpy", "sqlglot", "jupyter_client", "zmq", "fastapi", "structlog", "yaml"),
        *("prometheus_client", "stamina", "uvloop"),
    }
    program = (
        "import gc, sys; sys.argv = ['servicetsunami', 'serve'];"
        "from servicetsunami.cli import main\n"
        "try:\n    main()\n"
        f"finally:\n    print(sorted({heavy} & set(sys.modules)), gc.isenabled())"
    )

    ended = subprocess.run(
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0
    assert ended.stderr == ""
    assert ended.stdout == "[] True\n"
