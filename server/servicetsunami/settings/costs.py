"""What an operator can set about what tenants may keep, use and spend."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from servicetsunami.settings.parts import Part, names


class CostSettings(Part):
    """Quotas, budgets, places at once, and the bill of Databricks. 0 stands for no limit."""

    quota_storage_mb: int = Field(
        default=0,
        ge=0,
        description="What a tenant may keep, in MiB: data files of all versions of its datasets, "
        "models and notebooks. 0: no limit, as for all quotas and budgets.",
    )
    quota_rows: int = Field(
        default=0,
        ge=0,
        description="Rows that a tenant's datasets may have, in their newest state.",
    )
    quota_datasets: int = Field(default=0, ge=0, description="Datasets that a tenant may have.")
    quota_notebooks: int = Field(default=0, ge=0, description="Notebooks that a tenant may have.")
    quota_jobs: int = Field(default=0, ge=0, description="Jobs that a tenant may have.")
    quota_indexes: int = Field(default=0, ge=0, description="Indexes that a tenant may have.")
    quota_endpoints: int = Field(
        default=0, ge=0, description="Model endpoints that a tenant may have."
    )
    query_workers_per_tenant: int = Field(
        default=0,
        ge=0,
        description="How many of these one tenant may have at once; its other queries wait. 0: all "
        "but one where credentials are asked for, else all. The same share holds for ingests.",
    )
    notebook_runs_per_tenant: int = Field(
        default=0,
        ge=0,
        description="Notebooks of one tenant that run at once; more have to wait. 0: all but one "
        "of SERVICETSUNAMI_NOTEBOOK_RUNS where credentials are asked for, else all.",
    )
    budget_list_cost: float = Field(
        default=0.0,
        ge=0,
        description="What a tenant may use on Databricks in a month, at list prices. "
        "`servicetsunami budget set` gives one tenant another budget.",
    )
    budget_dbus: float = Field(default=0.0, ge=0, description="The same in DBU; both may be set.")
    budget_run_s: float = Field(
        default=0.0,
        ge=0,
        description="Seconds that a tenant's notebooks may run on this machine in a month.",
    )
    databricks_billing_hours: float = Field(
        default=6.0,
        ge=0,
        validation_alias="DATABRICKS_BILLING_HOURS",
        description="How old the bill may be before it is read again, for tenants that ask or have "
        "a budget there. Reading it wakes a warehouse. 0: never by itself.",
    )
    databricks_currency: str = Field(
        default="USD",
        pattern=r"^[A-Z]{3}$",
        validation_alias="DATABRICKS_CURRENCY",
        description="Currency of the list prices, as the account has them.",
    )
    databricks_shared_endpoints: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        validation_alias="DATABRICKS_SHARED_ENDPOINTS",
        description="Serving endpoints that may be asked beside a tenant's own, separated by "
        "commas, such as `databricks-gte-large-en`; `*` for all. They cost the operator. Unset: "
        "all over stdio, none over HTTP.",
    )

    @field_validator("databricks_shared_endpoints", mode="before")
    @classmethod
    def _split_endpoints(cls, value: object) -> object:
        return names(value)
