"""SQL on table snapshots: a gate, a dialect, and killable processes that run DuckDB."""
