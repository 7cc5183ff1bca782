"""All that an operator can set: environment variables named SERVICETSUNAMI_* and DATABRICKS_*."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Read once at start, by app.py and cli.py only; everything below gets plain values."""

    model_config = SettingsConfigDict(
        env_prefix="SERVICETSUNAMI_", extra="ignore", frozen=True, populate_by_name=True
    )

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
    http_host: str = Field(
        default="127.0.0.1",
        description="Address for `serve --http`. Beyond loopback only with SERVICETSUNAMI_AUTH and "
        "SERVICETSUNAMI_HTTP_ALLOWED_HOSTS.",
    )
    http_port: int = Field(default=8085, ge=0, le=65535, description="Port for `serve --http`.")
    http_sse: bool = Field(
        default=True, description="Serve the older HTTP+SSE transport at /sse as well."
    )
    http_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Names under which the server may be called, separated by commas, beside those "
        "of loopback. Requests for other names are refused, as DNS rebinding makes them.",
    )
    http_allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Web pages that may call the server, such as `https://app.example.com`, "
        "separated by commas, beside those of its own names.",
    )
    http_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses or networks of reverse proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed, separated by commas. Empty: nobody's.",
    )
    http_public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/\"]+)?$",
        description="Where clients reach the server, such as `https://lake.example.com`. Empty: "
        "its address and port.",
    )
    http_body_mb: int = Field(
        default=4, ge=1, le=1024, description="Longest request over HTTP, in MiB."
    )
    http_drain_s: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="How long running calls may go on after SIGTERM, in seconds.",
    )
    calls_per_minute: int = Field(
        default=600,
        ge=1,
        description="Calls that a tenant may make within a minute, at each server, where "
        "credentials are asked for.",
    )
    calls_per_minute_of_subject: int = Field(
        default=300, ge=1, description="The same for one subject of a tenant."
    )
    calls_at_once: int = Field(
        default=16,
        ge=1,
        description="Calls of one tenant that a server has in hand at once; more are refused.",
    )
    auth: bool = Field(
        default=False,
        description="Ask every HTTP request for an API key or a token. On by itself where a "
        "secret or keys for tokens are set.",
    )
    jwt_secret: SecretStr | None = Field(
        default=None, description="Secret for tokens signed with HS256, of at least 32 bytes."
    )
    jwt_keys: str = Field(
        default="",
        description="Where the issuer's public keys are: the https address of its JWKS, or a file. "
        "For tokens signed with RS256, ES256 or EdDSA.",
    )
    jwt_issuer: str = Field(default="", description="The `iss` that tokens must have.")
    jwt_audience: str = Field(
        default="", description="The `aud` that tokens must have: what names this server there."
    )
    jwt_tenant_claim: str = Field(
        default="tenant",
        min_length=1,
        description="The claim that names the tenant; a dot leads into a claim, as in `org.id`.",
    )
    tenants_on_first_use: bool = Field(
        default=False,
        description="Serve a tenant as soon as a genuine token names it. Otherwise an "
        "administrator adds it with `servicetsunami token tenant`.",
    )

    sync_lease_s: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="How long a change that a killed server was sending waits for another server.",
    )
    databricks_enabled: bool = Field(
        default=False,
        validation_alias="DATABRICKS_ENABLED",
        description="Send changes to a Databricks workspace, and ask there. Off unless you say so, "
        "also where the other variables are set: they are shared with other tools.",
    )
    databricks_enabled_tenants: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias="DATABRICKS_ENABLED_TENANTS",
        description="Tenants for which it is on, separated by commas. Empty: all.",
    )
    databricks_host: str = Field(
        default="",
        validation_alias="DATABRICKS_HOST",
        description="Address of the workspace, such as `https://adb-1.2.azuredatabricks.net`.",
    )
    databricks_token: SecretStr | None = Field(
        default=None,
        validation_alias="DATABRICKS_TOKEN",
        description="Personal access token. Never written into a client's configuration.",
    )
    databricks_client_id: str = Field(
        default="",
        validation_alias="DATABRICKS_CLIENT_ID",
        description="Service principal for OAuth machine-to-machine.",
    )
    databricks_client_secret: SecretStr | None = Field(
        default=None,
        validation_alias="DATABRICKS_CLIENT_SECRET",
        description="Its secret. Never written into a client's configuration.",
    )
    databricks_auth_type: str = Field(
        default="",
        validation_alias="DATABRICKS_AUTH_TYPE",
        description="`pat`, `oauth-m2m`, or one that the extra `databricks-sdk` knows, such as "
        "`azure-cli`. Empty: the first for which there are credentials.",
    )
    databricks_config_profile: str = Field(
        default="",
        validation_alias="DATABRICKS_CONFIG_PROFILE",
        description="Profile of the configuration file. Empty: `DEFAULT`, when no host is set.",
    )
    databricks_config_file: Path = Field(
        default=Path("~/.databrickscfg"),
        validation_alias="DATABRICKS_CONFIG_FILE",
        description="The configuration file of Databricks' own tools.",
    )
    databricks_warehouse_id: str = Field(
        default="",
        validation_alias="DATABRICKS_WAREHOUSE_ID",
        description="SQL warehouse that runs statements. Empty: a running one, else one that "
        "can be started.",
    )
    databricks_catalog_prefix: str = Field(
        default="servicetsunami_",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$",
        validation_alias="DATABRICKS_CATALOG_PREFIX",
        description="A tenant's catalog is this and the tenant's name.",
    )
    databricks_volume: str = Field(
        default="servicetsunami_staging",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$",
        validation_alias="DATABRICKS_VOLUME",
        description="Volume in the schema `default` of a tenant's catalog through which files go.",
    )
    databricks_notebooks: str = Field(
        default="~/servicetsunami",
        pattern=r"^(~|/)[^\n]*[^/\n]$",
        validation_alias="DATABRICKS_NOTEBOOKS",
        description="Folder of the workspace for notebooks, with one below it for each tenant. `~` "
        "is the home of the credentials' owner.",
    )
    databricks_cluster_id: str = Field(
        default="",
        validation_alias="DATABRICKS_CLUSTER_ID",
        description="Cluster on which notebooks run there. Empty: serverless compute.",
    )
    databricks_vector_endpoint: str = Field(
        default="servicetsunami",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$",
        validation_alias="DATABRICKS_VECTOR_ENDPOINT",
        description="Endpoint for vector search that holds the indexes. Made when missing.",
    )
    databricks_vector_endpoint_type: Literal["STANDARD", "STORAGE_OPTIMIZED"] = Field(
        default="STANDARD",
        validation_alias="DATABRICKS_VECTOR_ENDPOINT_TYPE",
        description="Of which type it is made.",
    )
    databricks_readable_catalogs: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        validation_alias="DATABRICKS_READABLE_CATALOGS",
        description="Other catalogs that may be asked and pulled from, separated by commas; `*` "
        "for all. Unset: all over stdio, none over HTTP.",
    )
    databricks_embedding_endpoint: str = Field(
        default="",
        validation_alias="DATABRICKS_EMBEDDING_ENDPOINT",
        description="Serving endpoint that embeds the texts of new indexes, such as "
        "`databricks-gte-large-en`. Empty: a model of this machine.",
    )
    databricks_requests_per_s: float = Field(
        default=10.0,
        gt=0,
        le=1000,
        validation_alias="DATABRICKS_REQUESTS_PER_S",
        description="Requests that one server sends per second at most.",
    )

    @field_validator("data_dir", "databricks_config_file")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("allowed_roots", "embedding_models", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if isinstance(value, str):
            parts = [part for part in value.split(os.pathsep) if part]
            return tuple(Path(part).expanduser() for part in parts)
        return value

    @field_validator(
        "databricks_enabled_tenants",
        "databricks_readable_catalogs",
        "http_allowed_hosts",
        "http_allowed_origins",
        "http_proxies",
        mode="before",
    )
    @classmethod
    def _split_names(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    def catalog_of(self, tenant: str, *, is_single: bool) -> str:
        """The name of a tenant's catalog, the same here and on Databricks."""
        if is_single and self.catalog:
            return self.catalog
        return f"{self.databricks_catalog_prefix}{tenant}" if self.databricks_enabled else "main"

    def has_databricks(self, tenant: str) -> bool:
        """Whether a tenant's datasets also live on Databricks."""
        tenants = self.databricks_enabled_tenants
        return self.databricks_enabled and (not tenants or tenant.lower() in tenants)

    @property
    def asks_for_credentials(self) -> bool:
        """Whether requests over HTTP need an API key or a token."""
        return self.auth or self.jwt_secret is not None or bool(self.jwt_keys)

    @property
    def public_url(self) -> str:
        """Where clients reach the server over HTTP."""
        host = f"[{self.http_host}]" if ":" in self.http_host else self.http_host
        return self.http_public_url or f"http://{host}:{self.http_port}"

    @property
    def metadata_url(self) -> str:
        """The URL of the metadata database, with the embedded default filled in."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'metadata.db'}"


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable that a setting is read from."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"SERVICETSUNAMI_{name}".upper()
