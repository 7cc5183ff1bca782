"""All that an operator can set: environment variables named SERVICETSUNAMI_* and DATABRICKS_*."""

from pydantic.fields import FieldInfo

from servicetsunami.settings.costs import CostSettings
from servicetsunami.settings.databricks import DatabricksSettings
from servicetsunami.settings.http import HttpSettings
from servicetsunami.settings.lake import LakeSettings


class Settings(DatabricksSettings, HttpSettings, CostSettings, LakeSettings):
    """Read once at start, by app and cli only; everything below gets plain values."""

    def catalog_of(self, tenant: str, *, is_single: bool) -> str:
        """The name of a tenant's catalog, the same here and on Databricks."""
        if is_single and self.catalog:
            return self.catalog
        return f"{self.databricks_catalog_prefix}{tenant}" if self.databricks_enabled else "main"


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable that a setting is read from."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"SERVICETSUNAMI_{name}".upper()
