"""All that an operator can set: environment variables with the prefix SERVICETSUNAMI_."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Read once at start, by app.py and cli.py only; everything below gets plain values."""

    model_config = SettingsConfigDict(env_prefix="SERVICETSUNAMI_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        default=Path("~/.servicetsunami"),
        description="Directory for tables, metadata and results. Created when missing.",
    )
    database_url: str = Field(
        default="",
        description="Metadata database as an SQLAlchemy URL, such as "
        "`postgresql+asyncpg://user@host/name`. Empty: SQLite in the data directory.",
    )
    catalog: str = Field(
        default="main",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$",
        description="Catalog name of the single-user tenant: `catalog.schema.table` in SQL.",
    )
    allowed_roots: Annotated[tuple[Path, ...] | None, NoDecode] = Field(
        default=None,
        description="Directories from which files may be ingested, separated as in PATH. "
        "Unset: the home directory over stdio, none over HTTP.",
    )
    read_only: bool = Field(
        default=False, description="Offer only the tools that read; nothing can be changed."
    )
    query_timeout_s: float = Field(
        default=25.0, gt=0, le=3600, description="Longest time that one query may take, in seconds."
    )
    query_memory_mb: int = Field(
        default=1024, ge=128, description="Memory that one SQL worker gives to DuckDB, in MiB."
    )
    query_threads: int = Field(
        default=0, ge=0, description="Threads of one SQL worker. 0: one for each processor."
    )
    query_workers: int = Field(
        default=4, ge=1, le=64, description="Queries that run at once; more have to wait."
    )
    query_rows_max: int = Field(
        default=1_000_000,
        ge=1,
        description="Rows that one result keeps; a longer one is cut, and says so.",
    )
    result_ttl_s: float = Field(
        default=3600.0,
        gt=0,
        description="How long the pages of a result can be fetched, in seconds.",
    )
    ingest_memory_mb: int = Field(
        default=512, ge=128, description="Memory that reading one file may take in DuckDB, in MiB."
    )
    ingest_timeout_s: float = Field(
        default=3600.0, gt=0, description="Longest time that one ingest may take, in seconds."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="How much is written to stderr."
    )
    http_host: str = Field(
        default="127.0.0.1", description="Address for `serve --http`. Only loopback is accepted."
    )
    http_port: int = Field(default=8085, ge=0, le=65535, description="Port for `serve --http`.")

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("allowed_roots", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if isinstance(value, str):
            parts = [part for part in value.split(os.pathsep) if part]
            return tuple(Path(part).expanduser() for part in parts)
        return value

    @property
    def metadata_url(self) -> str:
        """The URL of the metadata database, with the embedded default filled in."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'metadata.db'}"
