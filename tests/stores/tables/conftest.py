"""Where the tables of these tests are."""

from pathlib import Path

import pytest

from servicetsunami.stores.tables.location import table_location


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """A path as users have them: with spaces and letters from beyond ASCII."""
    return table_location(tmp_path / "My Données #1", "acme", "d1")
