"""Asks Apache Spark for the answers to statements.sql, and writes oracle_corpus.json.

Run it by hand after changing statements.sql; the tests only read its result. It needs Java 17 and,
in an environment of its own, `pip install "pyspark==4.2.*"`:

    python -m tests.engines.sql.dialect.make_corpus

Spark runs in ANSI mode in UTC, as Databricks SQL does. Its tables are temporary views, so that the
names `main.sales.orders` of the statements become `__sales_orders` before Spark sees them.
"""

import json
import os
import re
from importlib import import_module
from typing import Any

from tests.engines.sql.dialect.corpora import ORACLE, PARAMETERS, SHARED, load
from tests.engines.sql.dialect.plain import plain_atom
from tests.engines.sql.dialect.statements import statements


def session() -> Any:
    """Start Spark on one thread."""
    os.environ["TZ"] = "UTC"
    builder = import_module("pyspark.sql").SparkSession.builder.master("local[1]")
    options = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def literal(value: Any, kind: str) -> str:
    """Write a cell of the corpus's tables as Spark SQL."""
    if value is None:
        return f"CAST(NULL AS {kind})"
    if kind.startswith("array"):
        return f"CAST(array({', '.join(literal(v, 'string') for v in value)}) AS {kind})"
    if kind.startswith("map"):
        pairs = [literal(v, "string") for pair in value.items() for v in pair]
        return f"CAST(map({', '.join(pairs)}) AS {kind})"
    if kind.startswith("struct"):
        city, postcode = (literal(v, "string") for v in value)
        return f"CAST(named_struct('city', {city}, 'zip', {postcode}) AS {kind})"
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"CAST('{escaped}' AS {kind})"


def create(spark: Any, name: str, table: dict[str, Any]) -> None:
    """Make a temporary view of a table of the corpus."""
    columns = table["columns"]
    rows = ", ".join(
        "(" + ", ".join(literal(v, c[1]) for v, c in zip(row, columns, strict=True)) + ")"
        for row in table["rows"]
    )
    names = ", ".join(column[0] for column in columns)
    frame = spark.sql(f"SELECT * FROM VALUES {rows} AS t({names})")
    frame = spark.createDataFrame(frame.collect(), frame.schema).coalesce(1)
    frame.createOrReplaceTempView("__" + name.partition(".")[2].replace(".", "_"))


def plain(value: Any) -> Any:
    """Write an answer as the corpus does."""
    if hasattr(value, "asDict"):
        return {key: plain(part) for key, part in value.asDict().items()}
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: str(pair[0]))
        return {str(plain(key)): plain(part) for key, part in pairs}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return plain_atom(bytes(value) if isinstance(value, bytearray) else value)


def answer(spark: Any, sql: str) -> dict[str, Any]:
    """Ask one statement; a failure is the name of Spark's error class."""
    text = re.sub(r"(?i)\bmain\.sales\.(\w+)", r"__sales_\1", sql)
    used = {name: v for name, v in PARAMETERS.items() if re.search(rf":{name}\b", sql)}
    try:
        frame = spark.sql(text, args=used) if used else spark.sql(text)
        rows = [[plain(cell) for cell in row] for row in frame.collect()]
    except Exception as error:  # noqa: BLE001 Whatever Spark raises is its answer.
        name = getattr(error, "getCondition", lambda: None)()
        return {"error_class": name or type(error).__name__}
    kinds = [field.dataType.simpleString() for field in frame.schema.fields]
    return {"columns": frame.columns, "types": kinds, "rows": rows}


def main() -> None:
    """Write the corpus, one case a line so that a change reads well in a diff."""
    shared = load(SHARED)
    spark = session()
    for name, table in shared["tables"].items():
        create(spark, name, table)
    cases = [{"id": id_, "sql": sql, **answer(spark, sql)} for id_, sql in statements()]
    about = f"Made by make_corpus.py from statements.sql with Apache Spark {spark.version}."
    lines = ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in cases)
    tables = json.dumps(shared["tables"], ensure_ascii=False)
    text = (
        f'{{\n "about": {json.dumps(about)},\n "tables": {tables},\n "cases": [\n{lines}\n ]\n}}\n'
    )
    ORACLE.write_text(text, encoding="utf-8")
    spark.stop()


if __name__ == "__main__":
    main()
