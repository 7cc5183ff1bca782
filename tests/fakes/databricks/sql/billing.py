"""system.billing and system.query: what the workspace has cost, for those who may see it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import sqlglot

from servicetsunami.engines.sql.types import databricks_type
from tests.fakes.databricks.sql import tables
from tests.fakes.databricks.sql.failures import SqlError
from tests.fakes.databricks.sql.selects import Compiled, Spilled, spill
from tests.fakes.databricks.state import WORKSPACE_ID, State

_SCHEMAS = {
    "billing_usage": """record_id VARCHAR, workspace_id VARCHAR, sku_name VARCHAR, cloud VARCHAR,
        usage_start_time TIMESTAMP, usage_end_time TIMESTAMP, usage_date DATE,
        custom_tags MAP(VARCHAR, VARCHAR), usage_unit VARCHAR, usage_quantity DECIMAL(38,18),
        usage_metadata STRUCT(job_id VARCHAR, job_run_id VARCHAR, warehouse_id VARCHAR,
          endpoint_name VARCHAR), record_type VARCHAR, billing_origin_product VARCHAR""",
    "billing_list_prices": """sku_name VARCHAR, cloud VARCHAR, currency_code VARCHAR,
        usage_unit VARCHAR, pricing STRUCT("default" DECIMAL(38,18), effective_list
          STRUCT("default" DECIMAL(38,18))), price_start_time TIMESTAMP,
        price_end_time TIMESTAMP""",
    "query_history": """statement_id VARCHAR, compute STRUCT("type" VARCHAR, warehouse_id VARCHAR),
        start_time TIMESTAMP, end_time TIMESTAMP, total_duration_ms BIGINT,
        total_task_duration_ms BIGINT, query_tags MAP(VARCHAR, VARCHAR)""",
}
_TABLE = re.compile(r"\bsystem\.(billing|query)\.(\w+)", re.IGNORECASE)
_SKU = "PREMIUM_SERVERLESS_SQL_COMPUTE"


@dataclass
class Bill:
    """The rows of the three tables; a test adds what it needs."""

    usage: list[dict[str, Any]] = field(default_factory=list)
    prices: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def price(
        self, amount: float, *, since: str = "2020-01-01", until: str | None = None, sku: str = _SKU
    ) -> None:
        """A list price of a DBU, from a day to before another."""
        self.prices.append(
            {
                "sku_name": sku,
                "cloud": "AWS",
                "currency_code": "USD",
                "usage_unit": "DBU",
                "pricing": {"default": amount, "effective_list": {"default": amount}},
                "price_start_time": datetime.fromisoformat(since),
                "price_end_time": until and datetime.fromisoformat(until),
            }
        )

    def use(
        self,
        dbus: float,
        *,
        at: datetime,
        tenant: str | None = None,
        product: str = "SQL",
        record_type: str = "ORIGINAL",
        sku: str = _SKU,
        unit: str = "DBU",
        workspace_id: str = WORKSPACE_ID,
        **metadata: str,
    ) -> None:
        """One record of an hour; `metadata` is of usage_metadata."""
        start = at.astimezone(UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0)
        names = ("job_id", "job_run_id", "warehouse_id", "endpoint_name")
        self.usage.append(
            {
                "record_id": f"r{len(self.usage)}",
                "workspace_id": workspace_id,
                "sku_name": sku,
                "cloud": "AWS",
                "usage_start_time": start,
                "usage_end_time": start + timedelta(hours=1),
                "usage_date": start.date(),
                "custom_tags": {} if tenant is None else {"tenant": tenant},
                "usage_unit": unit,
                "usage_quantity": dbus,
                "usage_metadata": {name: metadata.get(name) for name in names},
                "record_type": record_type,
                "billing_origin_product": product,
            }
        )

    def ran(
        self, *, at: datetime, warehouse: str, task_ms: int | None, ms: int, tenant: str | None
    ) -> None:
        """One statement of the query history."""
        start = at.astimezone(UTC).replace(tzinfo=None)
        self.history.append(
            {
                "statement_id": f"s{len(self.history)}",
                "compute": {"type": "WAREHOUSE", "warehouse_id": warehouse},
                "start_time": start,
                "end_time": start + timedelta(milliseconds=ms),
                "total_duration_ms": ms,
                "total_task_duration_ms": task_ms,
                "query_tags": {} if tenant is None else {"servicetsunami_tenant": tenant},
            }
        )

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        return {
            "billing_usage": self.usage,
            "billing_list_prices": self.prices,
            "query_history": self.history,
        }


def usual() -> Bill:
    """What a workspace has whose bill no test cares about: ten days of one tenant.

    The account has another workspace, whose tenants bear the same names.
    """
    bill, now = Bill(), datetime.now(UTC)
    bill.price(0.7)
    for days in range(10):
        bill.use(2.5, at=now - timedelta(days=days), tenant="local")
        bill.use(40, at=now - timedelta(days=days), tenant="local", workspace_id="1")
    return bill


def concerns(sql: str) -> bool:
    return _TABLE.search(sql) is not None


def answer(state: State, sql: str, parameters: Mapping[str, Any], path: Path) -> Spilled:
    for schema in sorted({found[1].lower() for found in _TABLE.finditer(sql)}):
        state.allow("SELECT", f"system.{schema}")
    text = _TABLE.sub(r"\1_\2", sql)
    for name, value in parameters.items():
        shown = str(value).replace("'", "''")
        text = re.sub(rf":{name}\b", f"'{shown}'", text)
    db = tables.connection()
    db.execute("SET TimeZone = 'UTC'")
    bill: Bill = state.sub(Bill) if Bill in state.subs else usual()
    for table, rows in bill.tables().items():
        db.execute(f"CREATE TABLE {table} ({_SCHEMAS[table]})")
        names = [row[0] for row in db.execute(f"DESCRIBE {table}").fetchall()]
        for row in rows:
            marks = ", ".join("?" for _ in names)
            db.execute(f"INSERT INTO {table} VALUES ({marks})", [row.get(name) for name in names])
    try:
        [query] = sqlglot.transpile(text, read="databricks", write="duckdb")
        found = db.execute(f"DESCRIBE {query}").fetchall()
    except (sqlglot.errors.SqlglotError, duckdb.Error) as error:
        raise SqlError("PARSE_SYNTAX_ERROR", str(error).splitlines()[0]) from error
    columns = [(str(row[0]), databricks_type(str(row[1]))) for row in found]
    return spill(Compiled(db, query, columns), path, chunk_rows=1000, row_limit=None)
