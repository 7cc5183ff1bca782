"""Every check says how it is, and how to mend it when it is not well."""

import json
import sys
from pathlib import Path

import pytest

from servicetsunami.cli.clients import CLIENTS, Machine
from servicetsunami.cli.config_files import plan_entry
from servicetsunami.cli.doctor import (
    Level,
    check_clients,
    check_data_dir,
    check_metadata,
    check_packages,
    check_python,
    check_space,
)
from servicetsunami.settings import Settings


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(home=tmp_path / "home", platform="linux", environ={})


def test_the_interpreter_and_the_packages_of_this_checkout_are_in_order() -> None:
    assert check_python().level is Level.OK
    packages = check_packages()
    assert packages.level is Level.OK
    assert "duckdb" in packages.detail


def test_a_data_directory_is_made_and_only_its_owner_may_enter(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "data"

    assert check_data_dir(directory).level is Level.OK
    assert directory.stat().st_mode & 0o777 == 0o700
    assert list(directory.iterdir()) == []


def test_a_data_directory_that_others_may_enter_is_a_warning_with_its_fix(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    check = check_data_dir(tmp_path)

    assert check.level is Level.WARN
    assert check.fix == f"chmod 700 {tmp_path}"


def test_a_data_directory_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    check = check_data_dir(file / "below")

    assert check.level is Level.FAIL
    assert "SERVICETSUNAMI_DATA_DIR" in (check.fix or "")


@pytest.mark.parametrize(
    ("free_bytes", "level"), [(10**11, Level.OK), (10**9, Level.WARN), (10**8, Level.FAIL)]
)
def test_little_space_warns_and_almost_none_fails(free_bytes: int, level: Level) -> None:
    assert check_space(free_bytes).level is level


async def test_the_metadata_database_is_opened_and_counted(tmp_path: Path) -> None:
    check = await check_metadata(Settings(data_dir=tmp_path))

    assert check.level is Level.OK
    assert check.detail == "SQLite, migrated, 0 datasets"


async def test_a_metadata_database_that_is_none_fails_with_a_fix(tmp_path: Path) -> None:
    (tmp_path / "metadata.db").write_text("This is a diary. " * 100)

    check = await check_metadata(Settings(data_dir=tmp_path))

    assert check.level is Level.FAIL
    assert check.fix


def test_clients_that_are_not_set_up_are_no_problem(machine: Machine) -> None:
    checks = list(check_clients(machine))

    assert [check.level for check in checks] == [Level.OK] * len(CLIENTS)
    assert checks[0].detail == "not set up (servicetsunami init --client claude-desktop)"


def test_a_client_that_starts_an_existing_command_is_in_order(machine: Machine) -> None:
    client = CLIENTS["cursor"]
    plan_entry(client.user_file(machine), client.entry_path, {"command": sys.executable}).apply()

    check = {check.name: check for check in check_clients(machine)}["Cursor"]

    assert check.level is Level.OK
    assert sys.executable in check.detail


def test_a_client_whose_command_has_gone_is_a_failure_with_its_fix(machine: Machine) -> None:
    client = CLIENTS["vscode"]
    plan_entry(client.user_file(machine), client.entry_path, {"command": "/gone/st"}).apply()

    check = {check.name: check for check in check_clients(machine)}["VS Code"]

    assert check.level is Level.FAIL
    assert check.fix == "servicetsunami init --client vscode"


def test_a_client_with_a_broken_file_is_a_warning_that_names_the_line(machine: Machine) -> None:
    path = CLIENTS["claude-code"].user_file(machine)
    path.parent.mkdir(parents=True)
    path.write_text('{\n  "mcpServers": oops\n}')

    check = {check.name: check for check in check_clients(machine)}["Claude Code"]

    assert check.level is Level.WARN
    assert "line 2" in check.detail


def test_a_check_is_json_with_its_fix_only_where_there_is_one() -> None:
    assert json.dumps(check_python().as_json())
    assert "fix" not in check_python().as_json()
    assert "fix" in check_space(0).as_json()
