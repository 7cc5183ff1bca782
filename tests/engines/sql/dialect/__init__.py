"""The bridge from Databricks SQL to DuckDB, judged by Apache Spark itself."""
