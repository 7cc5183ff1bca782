"""What an operator can set about the work on this machine: where it lies, what it may take."""

import os
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from servicetsunami.errors import ConfigurationError
from servicetsunami.settings.parts import Part, names

Toolset = Literal["data", "notebooks", "jobs", "vectors", "models", "ops"]


class LakeSettings(Part):
    """Directories, and the limits of queries, ingests, notebooks, models and jobs."""

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
        default="",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,62})?$",
        description="Catalog name of the single-user tenant: `catalog.schema.table` in SQL, here "
        "and on Databricks. Empty: `main`, or, with Databricks, the prefix and the tenant's name.",
    )
    allowed_roots: Annotated[tuple[Path, ...] | None, NoDecode] = Field(
        default=None,
        description="Directories from which files may be ingested, separated as in PATH. "
        "Unset: the home directory over stdio, none over HTTP.",
    )
    embedding_models: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="Directories of embedding models (sentence-transformers with ONNX, or "
        "model2vec), separated as in PATH. The first makes new indexes. Empty: the one that comes "
        "with the package.",
    )
    read_only: bool = Field(
        default=False, description="Offer only the tools that read; nothing can be changed."
    )
    toolsets: Annotated[tuple[Toolset, ...], NoDecode] = Field(
        default=get_args(Toolset),
        min_length=1,
        description="What is offered, separated by commas: `data`, `notebooks`, `jobs`, `vectors`, "
        "`models`, `ops`. Fewer tools leave a model more room.",
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
    allow_unsandboxed: bool = Field(
        default=False,
        description="Run notebooks also where this machine cannot isolate them: their code may "
        "then do whatever you may. Never over HTTP.",
    )
    bubblewrap: str = Field(
        default="",
        description="Program that isolates notebooks. Empty: the one that was installed along, "
        "else the system's `bwrap`.",
    )
    notebook_timeout_s: float = Field(
        default=3600.0, gt=0, description="Longest time that one run may take, in seconds."
    )
    notebook_memory_mb: int = Field(
        default=2048, ge=256, description="Memory of one run, with all it starts, in MiB."
    )
    notebook_disk_mb: int = Field(
        default=1024, ge=16, description="Files of one run and of its tenant, in MiB."
    )
    notebook_output_days: int = Field(
        default=30,
        ge=0,
        description="How long the whole outputs of a run are kept after its end, in days; what "
        "its cells show of them stays. 0: for ever.",
    )
    notebook_output_mb: int = Field(
        default=16,
        ge=1,
        le=60,
        description="What a cell may print, in MiB; the middle of more is left out.",
    )
    run_lease_s: float = Field(
        default=30.0,
        ge=2,
        le=3600,
        description="How long after its server is gone a run counts as lost.",
    )
    notebook_runs: int = Field(
        default=2, ge=1, le=64, description="Notebooks that run at once; more have to wait."
    )
    notebook_spare: bool = Field(
        default=True,
        description="Start a kernel beside each run and keep it ready: the tenant's next run "
        "begins at once, and until then 40 MiB are taken.",
    )
    model_memory_mb: int = Field(
        default=2048, ge=256, description="Memory that one process with a model may take, in MiB."
    )
    model_timeout_s: float = Field(
        default=3600.0,
        gt=0,
        description="Longest time that scoring a dataset may take, in seconds.",
    )
    job_tasks: int = Field(
        default=8, ge=1, le=256, description="Tasks of jobs that one server does at once."
    )
    job_tasks_per_tenant: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Tasks of jobs of one tenant that all servers together do at once.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="How much is written to stderr."
    )
    sync_lease_s: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="How long a change that a killed server was sending waits for another server.",
    )

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("toolsets", mode="before")
    @classmethod
    def _split_toolsets(cls, value: object) -> object:
        return names(value)

    @field_validator("allowed_roots", "embedding_models", mode="before")
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

    def make_data_dir(self) -> None:
        """Create the data directory where it is missing; raises ConfigurationError."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(
                f"The data directory {self.data_dir} cannot be made: {error.strerror}.",
                "Set SERVICETSUNAMI_DATA_DIR to a directory that this user may write to.",
            ) from error
