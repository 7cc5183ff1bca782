"""system.billing: what the workspace has cost, for those who may see it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import sqlglot

from servicetsunami.engines.sql.types import databricks_type
from tests.fakes.databricks.sql import tables
from tests.fakes.databricks.sql.failures import SqlError
from tests.fakes.databricks.sql.selects import Compiled, Spilled, spill
from tests.fakes.databricks.state import State

_USAGE = """CREATE TABLE billing_usage AS SELECT
  'r' || i AS record_id, 'STANDARD_ALL_PURPOSE_COMPUTE' AS sku_name, 'AWS' AS cloud,
  'SQL' AS billing_origin_product, 'DBU' AS usage_unit,
  CAST(2.5 AS DECIMAL(38,18)) AS usage_quantity,
  CAST(current_date - CAST(i AS INTEGER) AS DATE) AS usage_date,
  CAST(current_date - CAST(i AS INTEGER) AS TIMESTAMP) AS usage_start_time,
  CAST(current_date - CAST(i AS INTEGER) AS TIMESTAMP) AS usage_end_time,
  MAP {'tenant': 'local'} AS custom_tags, 'ORIGINAL' AS record_type FROM range(10) t(i)"""
_PRICES = """CREATE TABLE billing_list_prices AS SELECT
  'STANDARD_ALL_PURPOSE_COMPUTE' AS sku_name, 'AWS' AS cloud, 'USD' AS currency_code,
  {'default': CAST(0.7 AS DECIMAL(38,18)),
   'effective_list': {'default': CAST(0.7 AS DECIMAL(38,18))}} AS pricing,
  TIMESTAMP '2020-01-01' AS price_start_time, CAST(NULL AS TIMESTAMP) AS price_end_time"""


def concerns(sql: str) -> bool:
    return re.search(r"\bsystem\.billing\.", sql, re.IGNORECASE) is not None


def answer(state: State, sql: str, parameters: Mapping[str, Any], path: Path) -> Spilled:
    state.allow("SELECT", "system.billing")
    text = re.sub(r"\bsystem\.billing\.(\w+)", r"billing_\1", sql, flags=re.IGNORECASE)
    for name, value in parameters.items():
        shown = str(value).replace("'", "''")
        text = re.sub(rf":{name}\b", f"'{shown}'", text)
    db = tables.connection()
    db.execute(_USAGE)
    db.execute(_PRICES)
    try:
        [query] = sqlglot.transpile(text, read="databricks", write="duckdb")
        found = db.execute(f"DESCRIBE {query}").fetchall()
    except (sqlglot.errors.SqlglotError, duckdb.Error) as error:
        raise SqlError("PARSE_SYNTAX_ERROR", str(error).splitlines()[0]) from error
    columns = [(str(row[0]), databricks_type(str(row[1]))) for row in found]
    return spill(Compiled(db, query, columns), path, chunk_rows=1000, row_limit=None)
