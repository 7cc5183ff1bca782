"""Everything that the fake workspace holds, in memory, with files in one folder."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.fakes.databricks.errors import ApiError, exists, missing

WORKSPACE_ID = "4242424242424242"
Columns = list[tuple[str, str]]


@dataclass
class TableVersion:
    """What a table held at one version: its columns, and the Parquet files of its rows."""

    columns: Columns
    files: list[Path]
    operation: str
    at: float


@dataclass
class FakeTable:
    """A managed Delta table, or a view when it has a text."""

    full_name: str
    versions: list[TableVersion]
    properties: dict[str, str] = field(default_factory=dict)
    copied: set[str] = field(default_factory=set)
    table_id: str = field(default_factory=lambda: str(uuid4()))
    kind: str = "MANAGED"

    @property
    def columns(self) -> Columns:
        return self.versions[-1].columns

    @property
    def files(self) -> list[Path]:
        return self.versions[-1].files

    @property
    def version(self) -> int:
        return len(self.versions) - 1

    @property
    def history(self) -> list[str]:
        """The operations, oldest first."""
        return [version.operation for version in self.versions]


@dataclass
class Catalog:
    name: str
    schemas: dict[str, "Schema"] = field(default_factory=dict)
    comment: str = ""


@dataclass
class Schema:
    name: str
    tables: dict[str, FakeTable] = field(default_factory=dict)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)


class State:
    """The workspace's memory. `lock` is held by whoever changes or reads it as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.clock: Callable[[], float] = time.time
        self.catalogs: dict[str, Catalog] = {}
        self.denied: set[tuple[str, str]] = set()
        """(privilege, object) pairs that are refused; `*` stands for any object."""
        self.subs: dict[type, Any] = {}
        for name in ("data", "volumes", "results"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.create_catalog("main")
        self.create_catalog("system")

    def sub(self, kind: type) -> Any:
        """The part of the memory that one module keeps for itself."""
        if kind not in self.subs:
            self.subs[kind] = kind()
        return self.subs[kind]

    def allow(self, privilege: str, what: str) -> None:
        if self.denied & {(privilege, what), (privilege, "*")}:
            raise ApiError(403, "PERMISSION_DENIED", f"User does not have {privilege} on '{what}'.")

    def create_catalog(self, name: str, comment: str = "") -> Catalog:
        with self.lock:
            self.allow("CREATE_CATALOG", name)
            if name in self.catalogs:
                raise exists(f"Catalog '{name}'")
            catalog = Catalog(name, comment=comment)
            catalog.schemas = {each: Schema(each) for each in ("default", "information_schema")}
            self.catalogs[name] = catalog
            return catalog

    def catalog(self, name: str) -> Catalog:
        self.allow("USE_CATALOG", name)
        found = self.catalogs.get(name.lower())
        if found is None:
            raise missing(f"Catalog '{name}'")
        return found

    def schema(self, catalog: str, schema: str) -> Schema:
        self.allow("USE_SCHEMA", f"{catalog}.{schema}")
        found = self.catalog(catalog).schemas.get(schema.lower())
        if found is None:
            raise missing(f"Schema '{catalog}.{schema}'")
        return found

    def table(self, full_name: str) -> FakeTable:
        catalog, schema, name = split(full_name, 3)
        found = self.schema(catalog, schema).tables.get(name)
        if found is None:
            raise missing(f"Table '{full_name}'")
        return found

    def tables(self) -> dict[str, FakeTable]:
        with self.lock:
            return {
                table.full_name: table
                for catalog in self.catalogs.values()
                for schema in catalog.schemas.values()
                for table in schema.tables.values()
            }

    def volume_path(self, path: str) -> Path:
        """The file that a path such as /Volumes/c/s/v/a.parquet means; its volume must exist."""
        parts = [part for part in path.split("/") if part]
        if len(parts) < 4 or parts[0] != "Volumes" or ".." in parts:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Invalid path: {path}")
        _, catalog, schema, volume = parts[:4]
        if volume not in self.schema(catalog, schema).volumes:
            raise missing(f"Volume '{catalog}.{schema}.{volume}'")
        return self.folder.joinpath("volumes", *parts[1:])


def split(full_name: str, parts: int) -> list[str]:
    found = full_name.lower().split(".")
    if len(found) != parts:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"'{full_name}' is not a full name.")
    return found
