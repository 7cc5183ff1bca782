"""A client's file gets our entry, loses it again, and is never damaged."""

import json
from pathlib import Path

import pytest

from servicetsunami.cli.config_files import plan_entry, plan_removal, read_entry
from servicetsunami.errors import ConfigurationError

PATH = ("mcpServers", "servicetsunami")
ENTRY = {"command": "/bin/servicetsunami", "args": ["serve"]}
NEWER = {"command": "/opt/servicetsunami", "args": ["serve"]}
ORIGINAL = '{\n    "mcpServers": {"a": {"command": "b"}}, // mine\n    "theme": "dark"\n}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "client" / "config.json"
    path.parent.mkdir()
    path.write_text(ORIGINAL)
    return path


def test_the_entry_is_added_and_the_file_as_it_was_is_kept_beside_it(file: Path) -> None:
    plan = plan_entry(file, PATH, ENTRY)
    plan.apply()

    assert read_entry(file, PATH) == ENTRY
    assert plan.backup.read_text() == ORIGINAL
    assert '"theme": "dark"' in file.read_text()


def test_a_second_time_changes_nothing(file: Path) -> None:
    plan_entry(file, PATH, ENTRY).apply()

    again = plan_entry(file, PATH, ENTRY)

    assert not again.changes
    assert again.diff() == ""


def test_planning_writes_nothing_and_shows_a_diff(file: Path) -> None:
    diff = plan_entry(file, PATH, ENTRY).diff()

    assert file.read_text() == ORIGINAL
    assert list(file.parent.iterdir()) == [file]
    assert '"servicetsunami": {' in diff
    assert '-    "theme"' not in diff


def test_removal_restores_the_file_to_the_letter_and_takes_the_backup_away(file: Path) -> None:
    plan_entry(file, PATH, ENTRY).apply()
    plan_entry(file, PATH, NEWER).apply()

    plan_removal(file, PATH).apply()

    assert file.read_text() == ORIGINAL
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_we_made_goes_when_it_holds_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "mcp.json"
    plan_entry(path, PATH, ENTRY).apply()
    assert json.loads(path.read_text()) == {"mcpServers": {"servicetsunami": ENTRY}}

    plan_removal(path, PATH).apply()

    assert not path.exists()


def test_a_file_that_we_made_stays_when_somebody_else_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    plan_entry(path, PATH, ENTRY).apply()
    plan_entry(path, ("mcpServers", "other"), {"command": "x"}).apply()

    plan_removal(path, PATH).apply()

    assert json.loads(path.read_text()) == {"mcpServers": {"other": {"command": "x"}}}


def test_changes_that_others_made_meanwhile_survive_the_removal(file: Path) -> None:
    plan_entry(file, PATH, ENTRY).apply()
    file.write_text(file.read_text().replace("dark", "light"))

    plan = plan_removal(file, PATH)
    plan.apply()

    assert read_entry(file, PATH) is None
    assert '"theme": "light"' in file.read_text()
    assert plan.backup.read_text() == ORIGINAL


def test_an_entry_of_that_name_that_was_there_before_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    original = '{"mcpServers": {"servicetsunami": {"command": "my own"}}}'
    path.write_text(original)
    plan_entry(path, PATH, ENTRY).apply()

    plan_removal(path, PATH).apply()

    assert path.read_text() == original


def test_an_empty_file_is_taken_as_no_configuration_yet(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("\n")
    plan_entry(path, PATH, ENTRY).apply()
    assert read_entry(path, PATH) == ENTRY

    plan_removal(path, PATH).apply()

    assert path.read_text() == "\n"


def test_removal_where_nothing_was_entered_changes_nothing(file: Path, tmp_path: Path) -> None:
    assert not plan_removal(file, PATH).changes
    assert not plan_removal(tmp_path / "absent.json", PATH).changes


def test_a_broken_file_is_named_with_its_line_and_left_alone(file: Path) -> None:
    broken = '{\n  "mcpServers": {\n    "a": }\n}\n'
    file.write_text(broken)

    for attempt in (lambda: plan_entry(file, PATH, ENTRY), lambda: plan_removal(file, PATH)):
        with pytest.raises(
            ConfigurationError, match=r"config\.json, line 3: .*Nothing was changed"
        ):
            attempt()

    assert file.read_text() == broken


def test_a_file_in_another_encoding_is_left_alone(file: Path) -> None:
    file.write_bytes('{"ä": 1}'.encode("utf-16"))

    with pytest.raises(ConfigurationError, match="not UTF-8"):
        plan_entry(file, PATH, ENTRY)


def test_a_byte_order_mark_and_windows_line_ends_are_kept(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbf{\r\n  "a": 1\r\n}\r\n')

    plan_entry(file, PATH, ENTRY).apply()

    content = file.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf{\r\n")
    assert content.count(b"\n") == content.count(b"\r\n")


def test_the_rights_of_the_file_are_kept_for_it_and_its_backup(file: Path) -> None:
    file.chmod(0o600)

    plan = plan_entry(file, PATH, ENTRY)
    plan.apply()

    assert file.stat().st_mode & 0o777 == 0o600
    assert plan.backup.stat().st_mode & 0o777 == 0o600


def test_a_link_to_the_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file)

    plan_entry(link, PATH, ENTRY).apply()

    assert link.is_symlink()
    assert read_entry(file, PATH) == ENTRY


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder is needed")

    with pytest.raises(ConfigurationError, match="could not be"):
        plan_entry(tmp_path / "blocked" / "mcp.json", PATH, ENTRY).apply()
