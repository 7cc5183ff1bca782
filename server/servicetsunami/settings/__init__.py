"""All that an operator can set: environment variables named SERVICETSUNAMI_* and DATABRICKS_*."""

from collections.abc import Iterator
from urllib.parse import unquote

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from servicetsunami.settings.costs import CostSettings
from servicetsunami.settings.databricks import DatabricksSettings
from servicetsunami.settings.http import HttpSettings
from servicetsunami.settings.lake import LakeSettings
from servicetsunami.settings.observing import ObservingSettings
from servicetsunami.settings.protection import ProtectionSettings


class Settings(
    DatabricksSettings,
    HttpSettings,
    CostSettings,
    ObservingSettings,
    ProtectionSettings,
    LakeSettings,
):
    """Read once at start, by app and cli only; everything below gets plain values."""

    def catalog_of(self, tenant: str, *, is_single: bool) -> str:
        """The name of a tenant's catalog, the same here and on Databricks."""
        if is_single and self.catalog:
            return self.catalog
        return f"{self.databricks_catalog_prefix}{tenant}" if self.databricks_enabled else "main"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be shown: every secret, and the database's password."""
        values = (getattr(self, name) for name in type(self).model_fields)
        found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        return (*found, *_password(self.metadata_url))


def _password(url: str) -> Iterator[str]:
    """The password in an address, as it is written there and as it is sent."""
    written = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    if written:
        yield from (written, unquote(written))


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable that a setting is read from."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"SERVICETSUNAMI_{name}".upper()
