"""Delta's own names of types, as Databricks SQL writes them."""

import json
from typing import TYPE_CHECKING

from servicetsunami.domain.dataset import Column

if TYPE_CHECKING:
    from deltalake import DeltaTable

_PRIMITIVES = {
    "byte": "tinyint",
    "short": "smallint",
    "integer": "int",
    "long": "bigint",
}
"""The names that differ; all others are the same in Delta and in SQL."""


def columns_of(table: "DeltaTable") -> tuple[Column, ...]:
    """The columns of the loaded version."""
    fields = json.loads(table.schema().to_json())["fields"]
    return tuple(
        Column(name=each["name"], type=type_text(each["type"]), nullable=each["nullable"])
        for each in fields
    )


def type_text(delta_type: str | dict) -> str:
    """Write a type of the Delta schema as Databricks SQL, such as `array<struct<a:bigint>>`."""
    if isinstance(delta_type, str):
        return _PRIMITIVES.get(delta_type, delta_type)
    if delta_type["type"] == "array":
        return f"array<{type_text(delta_type['elementType'])}>"
    if delta_type["type"] == "map":
        key, value = type_text(delta_type["keyType"]), type_text(delta_type["valueType"])
        return f"map<{key},{value}>"
    fields = (f"{_quoted(each['name'])}:{type_text(each['type'])}" for each in delta_type["fields"])
    return f"struct<{','.join(fields)}>"


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else f"`{name.replace('`', '``')}`"
