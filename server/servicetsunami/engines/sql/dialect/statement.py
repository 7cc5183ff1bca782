"""An admitted statement: what it asks for, and which tables at which versions."""

from dataclasses import dataclass, field
from enum import StrEnum

from sqlglot import exp

from servicetsunami.domain.dataset import DatasetName


class StatementKind(StrEnum):
    """What a statement asks for."""

    SELECT = "select"
    SHOW_TABLES = "show tables"
    SHOW_SCHEMAS = "show schemas"
    SHOW_COLUMNS = "show columns"
    DESCRIBE_TABLE = "describe table"
    DESCRIBE_HISTORY = "describe history"
    DESCRIBE_QUERY = "describe query"


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table at a version. `view` is the name under which DuckDB will find it.

    `catalog` is None for the tenant's own; a table of another one cannot be read here.
    """

    name: DatasetName
    version: int | None
    timestamp: str | None
    view: str
    catalog: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """An admitted statement. `schema` and `pattern` belong to the SHOW statements."""

    kind: StatementKind
    sql: str
    tables: tuple[TableRef, ...] = ()
    parameters: tuple[str, ...] = ()
    schema: str | None = None
    pattern: str | None = None
    tree: exp.Expression | None = field(default=None, compare=False, repr=False)
