"""Where tables live: by the dataset's id, so that renaming and recreating move no files."""

from pathlib import Path

from servicetsunami.errors import ConfigurationError

_UNUSABLE = frozenset("%[]^|\\")
"""delta-rs reads these in a path as parts of an address: it fails, or looks elsewhere."""


def tables_dir(data_dir: Path, tenant: str) -> Path:
    """The directory of all of a tenant's tables.

    Raises ConfigurationError for a path with a character that Delta tables cannot have there.
    """
    unusable = sorted(_UNUSABLE.intersection(str(data_dir)))
    if unusable:
        raise ConfigurationError(
            f"The data directory {data_dir} has a {unusable[0]} in its path, which Delta tables "
            "cannot have.",
            "Set SERVICETSUNAMI_DATA_DIR to another directory.",
        )
    return data_dir / "tenants" / tenant / "tables"


def table_location(data_dir: Path, tenant: str, dataset_id: str) -> Path:
    """The directory of one table."""
    return tables_dir(data_dir, tenant) / dataset_id


def lock_file(location: Path) -> Path:
    """The file that a writer of the table locks; it outlives the table's directory."""
    return location.with_name(f"{location.name}.lock")


def spool_dir(location: Path) -> Path:
    """Where rows wait while they are checked, before a merge."""
    return location.with_name(f"{location.name}.spool")
