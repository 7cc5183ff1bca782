"""A real Spark session where the extra `spark` is installed: Sail, which needs no Java.

It works on clones of the tenant's Delta tables in the run's own folder: the log is copied, the data
files are links to the tables, which cannot be written. What a cell has changed in a clone is handed
to the server when the cell has ended, and becomes a version of the dataset like any other.
"""

import importlib.util
import io
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servicetsunami.engines.kernels.inside.bridge import Bridge

_CLONES = Path(".spark")


def is_installed() -> bool:
    """Whether the extra is there."""
    return all(importlib.util.find_spec(name) for name in ("pysail", "pyspark"))


@dataclass(slots=True)
class Clone:
    """A dataset as Spark sees it: its folder, and the versions that both sides know as the same."""

    name: str
    folder: Path
    clone_version: int
    dataset_version: int | None

    @property
    def is_changed(self) -> bool:
        """Whether Spark has written to it since both sides were the same."""
        return _newest(self.folder) != self.clone_version


class LazySpark:
    """Stands for the session until something is asked of it."""

    def __init__(self, sail: "Sail") -> None:
        self._sail = sail

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a SparkSession has
        """Start the session, and pass the question on."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._sail.session, name)


class Sail:
    """One session, started by its first use; `tables` is the folder of the tenant's tables."""

    def __init__(self, bridge: Bridge, tables: Path) -> None:
        self._bridge = bridge
        self._tables = tables
        self._session: Any = None
        self._server: Any = None
        self._clones: dict[str, Clone] = {}

    @property
    def is_started(self) -> bool:
        """Whether a cell has used it."""
        return self._session is not None

    @property
    def session(self) -> Any:  # noqa: ANN401 - a SparkSession
        """The session, with every dataset as a table."""
        if self._session is None:
            self._start()
        return self._session

    def _start(self) -> None:
        os.environ.setdefault("RUST_LOG", "error")
        # It warns of every pandas that is newer than itself.
        warnings.filterwarnings("ignore", message="PySpark does not yet", category=FutureWarning)
        from pysail.spark import SparkConnectServer  # noqa: PLC0415 - heavy, and an extra
        from pyspark.sql import SparkSession  # noqa: PLC0415

        server: Any = SparkConnectServer("127.0.0.1", 0)
        server.start(background=True)
        # It ends with the kernel, and must not be collected before.
        self._server, port = server, server.listening_address[1]
        self._session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
        # As on Databricks: a table is a Delta table unless it says otherwise.
        self._session.conf.set("spark.sql.sources.default", "delta")
        self.refresh()

    def refresh(self) -> None:
        """Take over what has changed outside of Spark; a clone with changes of its own stays."""
        if self._session is None:
            return
        tables, _ = self._bridge.ask("tables", {})
        for table in tables:
            known = self._clones.get(f"{table['schema']}.{table['table']}")
            if known is None:
                self._register(table)
            elif known.dataset_version != table["version"] and not known.is_changed:
                self._session.sql(f"DROP TABLE `{table['schema']}`.`{table['table']}`").collect()
                self._register(table)

    def _register(self, table: dict[str, Any]) -> None:
        name = f"{table['schema']}.{table['table']}"
        folder = (_CLONES / f"{table['id']}-{table['version']}").absolute()
        _clone(self._tables / table["id"], folder, version=table["version"])
        self._session.sql(f"CREATE SCHEMA IF NOT EXISTS `{table['schema']}`").collect()
        self._session.sql(
            f"CREATE TABLE `{table['schema']}`.`{table['table']}` USING delta LOCATION '{folder}'"
        ).collect()
        self._clones[name] = Clone(name, folder, table["version"], table["version"])

    def publish(self) -> None:
        """Hand what has changed since the last cell to the server; raises LakeError."""
        for clone in (*self._clones.values(), *self._new_tables()):
            if not clone.is_changed:
                continue
            version = _newest(clone.folder)
            mode = "create" if clone.dataset_version is None else "overwrite"
            content = _parquet(clone.folder, version)
            asked = {
                "name": clone.name,
                "mode": mode,
                "keys": [],
                "base_version": clone.dataset_version,
            }
            done, _ = self._bridge.ask("write", asked, content=[content], size=len(content))
            clone.clone_version, clone.dataset_version = version, done["version"]
            self._clones[clone.name] = clone
        self.refresh()

    def _new_tables(self) -> Iterator[Clone]:
        """Tables that were made in this session, by `saveAsTable` or CREATE TABLE."""
        for database in self._session.catalog.listDatabases():
            for table in self._session.catalog.listTables(database.name):
                name = f"{database.name}.{table.name}"
                if table.tableType == "MANAGED" and name not in self._clones:
                    yield Clone(name, self._location(name), -1, None)

    def _location(self, name: str) -> Path:
        rows = self._session.sql(f"DESCRIBE EXTENDED {name}").collect()
        place = next(row.data_type for row in rows if row.col_name == "Location")
        return Path(place.removeprefix("file://"))


def _clone(table: Path, folder: Path, *, version: int) -> None:
    """Copy the log up to a version, and link the data files."""
    for path in table.rglob("*"):
        to = folder / path.relative_to(table)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
        elif "_delta_log" not in path.parts:
            to.parent.mkdir(parents=True, exist_ok=True)
            to.symlink_to(path)
        elif path.name[:20].isdecimal() and int(path.name[:20]) <= version:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)


def _newest(folder: Path) -> int:
    names = [path.name for path in (folder / "_delta_log").glob("*.json")]
    return max((int(name[:20]) for name in names if name[:20].isdecimal()), default=-1)


def _parquet(folder: Path, version: int) -> bytes:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy
    from deltalake import DeltaTable  # noqa: PLC0415

    file = io.BytesIO()
    pq.write_table(DeltaTable(folder, version=version).to_pyarrow_table(), file)
    return file.getvalue()
