"""Reaches the tenant's datasets from a notebook: `lake.sql`, `lake.table`, `lake.write`."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from servicetsunami.engines.kernels.inside.bridge import Bridge, LakeError

_SPARK_HELP = (
    "`{name}` needs Spark: pip install 'servicetsunami[spark]' beside the server, or run the "
    "notebook with run_on databricks. Without it, spark.sql and spark.table read by SQL."
)


class Lake:
    """The datasets of whoever runs the notebook, by Databricks SQL."""

    def __init__(self, bridge: Bridge, on_write: Callable[[], None] | None = None) -> None:
        self._bridge = bridge
        self._on_write = on_write

    def sql(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        """Answer one read-only statement with a pandas data frame."""
        return self.arrow(sql, parameters).to_pandas()

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        """Answer one read-only statement with a pyarrow table."""
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import ipc  # noqa: PLC0415 - heavy, and not every notebook reads data

        named = {name: value for name, value in (parameters or {}).items() if f":{name}" in sql}
        found, data = self._bridge.ask("query", {"sql": sql, "parameters": named})
        names = [str(name) for name in found["columns"]]
        if not data:
            columns = list(zip(*found["rows"], strict=True)) or [[] for _ in names]
            return pa.table([pa.array(list(column)) for column in columns], names=names)
        with ipc.open_file(io.BytesIO(data)) as reader:
            return reader.read_all().rename_columns(names)

    def table(self, name: str) -> Any:  # noqa: ANN401 - a pandas data frame
        """A whole dataset as a pandas data frame."""
        return self.sql(f"SELECT * FROM {name}")

    def write(
        self,
        rows: Any,  # noqa: ANN401
        name: str,
        mode: str = "create",
        keys: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Store a pandas data frame or a pyarrow table as a new version of a dataset.

        `mode` is create, append, overwrite or merge (on `keys`), as for ingest_dataset.
        """
        import pyarrow as pa  # noqa: PLC0415 - heavy, and not every notebook writes
        import pyarrow.parquet as pq  # noqa: PLC0415

        table = (
            rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
        )
        file = io.BytesIO()
        pq.write_table(table, file)
        asked = {"name": name, "mode": mode, "keys": list(keys)}
        content = file.getbuffer()
        value, _ = self._bridge.ask("write", asked, content=[bytes(content)], size=len(content))
        if self._on_write is not None:
            self._on_write()
        return value


class Frame:
    """The result of `spark.sql` on this machine: the actions that end a query."""

    def __init__(self, lake: Lake, sql: str, args: Mapping[str, Any] | None = None) -> None:
        self._lake = lake
        self._sql = sql
        self._args = args

    def toPandas(self) -> Any:  # noqa: ANN401 - its name
        """All rows as a pandas data frame."""
        return self._lake.sql(self._sql, self._args)

    def collect(self) -> list[Any]:
        """All rows as named tuples."""
        return list(self.toPandas().itertuples(index=False, name="Row"))

    def count(self) -> int:
        """How many rows there are."""
        return len(self.toPandas())

    def show(self, n: int = 20, truncate: bool = True) -> None:
        """Print the first rows."""
        print(self.toPandas().head(n).to_string(index=False))  # noqa: T201 - what it is for

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [str(name) for name in self.toPandas().columns]

    def __getattr__(self, name: str) -> NoReturn:
        """Say what is missing, unless it is Python that asks."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise LakeError(_SPARK_HELP.format(name=f"DataFrame.{name}"))


class Spark:
    """What notebooks call `spark`, as far as the SQL engine of this machine can stand for it."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def sql(self, sqlQuery: str, args: Mapping[str, Any] | None = None) -> Frame:
        """One read-only statement of Databricks SQL; computed by an action such as toPandas."""
        return Frame(self._lake, sqlQuery, args)

    def table(self, tableName: str) -> Frame:
        """A dataset by name."""
        return Frame(self._lake, f"SELECT * FROM {tableName}")

    def __getattr__(self, name: str) -> NoReturn:
        """Say what is missing, unless it is Python that asks."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise LakeError(_SPARK_HELP.format(name=f"spark.{name}"))
