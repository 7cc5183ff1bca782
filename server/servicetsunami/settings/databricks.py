"""What an operator can set about Databricks: variables named as its own tools name them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from servicetsunami.settings.parts import Part, names


class DatabricksSettings(Part):
    """The workspace, the credentials, and what is made there."""

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

    @field_validator("databricks_config_file")
    @classmethod
    def _whole_path(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("databricks_enabled_tenants", "databricks_readable_catalogs", mode="before")
    @classmethod
    def _split_catalogs(cls, value: object) -> object:
        return names(value)

    def has_databricks(self, tenant: str) -> bool:
        """Whether a tenant's datasets also live on Databricks."""
        tenants = self.databricks_enabled_tenants
        return self.databricks_enabled and (not tenants or tenant.lower() in tenants)
