"""The fake workspace on a real port of this machine, for the length of a test."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import uvicorn

from servicetsunami.engines.sql.types import databricks_type
from tests.fakes.databricks.app import Recorded, build
from tests.fakes.databricks.auth import Tokens
from tests.fakes.databricks.faults import Faults
from tests.fakes.databricks.jobs import Jobs
from tests.fakes.databricks.serving import Serving
from tests.fakes.databricks.sql import tables
from tests.fakes.databricks.sql.billing import Bill
from tests.fakes.databricks.sql.writes import Writer
from tests.fakes.databricks.state import FakeTable, State, TableVersion
from tests.fakes.databricks.statements import FakeStatement, Statements
from tests.fakes.databricks.vectors import Vectors
from tests.fakes.databricks.warehouses import Warehouses
from tests.fakes.databricks.workspace_objects import Objects, WorkspaceObject


class _Listener:
    """One uvicorn in a thread, on a port that stays the same."""

    def __init__(self, app: Any, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, log_level="critical", timeout_graceful_shutdown=0, lifespan="off", access_log=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def start(self) -> None:
        # Clients wait in the socket's own queue until uvicorn takes them.
        self._socket.listen(128)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)
        self._socket.close()


class FakeWorkspace:
    """What a test sees of the workspace, and how it makes trouble."""

    def __init__(self, folder: Path, *, port: int = 0, token: str | None = None) -> None:
        self.state = State(folder)
        self.faults = Faults()
        self.tokens: Tokens = self.state.sub(Tokens)
        if token is not None:
            self.tokens.pat = token
        self.sql: Statements = self.state.sub(Statements)
        self.warehouses: Warehouses = self.state.sub(Warehouses)
        self.objects: Objects = self.state.sub(Objects)
        self.jobs: Jobs = self.state.sub(Jobs)
        self.serving: Serving = self.state.sub(Serving)
        self.vectors: Vectors = self.state.sub(Vectors)
        self._app = build(self.state, self.faults)
        self._listener: _Listener | None = None
        self._port = port

    @classmethod
    @contextmanager
    def running(cls, folder: Path, **options: Any) -> Generator[Self]:
        folder.mkdir(parents=True, exist_ok=True)
        workspace = cls(folder, **options)
        workspace.up()
        try:
            yield workspace
        finally:
            workspace.down()
            workspace.sql.pool.shutdown(wait=False, cancel_futures=True)

    def up(self) -> None:
        """Listen (again), on the same port and with the same memory."""
        if self._listener is None:
            self._listener = _Listener(self._app, self._port)
            self._port = self._listener.port
            self._listener.start()
            self.jobs.notebooks.url = self.url
            self.jobs.notebooks.warehouse_id = self.warehouse_id

    def down(self) -> None:
        """Refuse connections, and drop those that are open."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def token(self) -> str:
        return self.tokens.pat

    @property
    def warehouse_id(self) -> str:
        return "running0000000002"

    @property
    def bill(self) -> Bill:
        """What system.billing and system.query have; empty from the first look on."""
        return self.state.sub(Bill)

    @property
    def requests(self) -> list[Recorded]:
        return list(self._app.requests)

    @property
    def statements(self) -> list[FakeStatement]:
        return list(self.sql.all.values())

    @property
    def tables(self) -> dict[str, FakeTable]:
        return self.state.tables()

    def execute(self, sql: str, *, catalog: str = "main") -> None:
        """Change something as somebody else would, past the API."""
        done, _ = Writer(self.state, catalog, "default", {}).run(sql)
        assert done, sql

    def put_table(self, full_name: str, rows: pa.Table) -> FakeTable:
        """Have a table with these rows, as if somebody had made it there."""
        catalog, schema, name = full_name.split(".")
        if catalog not in self.state.catalogs:
            self.state.create_catalog(catalog)
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema}")
        path = tables.new_file(self.state)
        pq.write_table(rows, path)
        with duckdb.connect() as db:
            scan = f"read_parquet({tables.listed([path])})"
            found = db.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
        columns = [(str(row[0]), databricks_type(str(row[1]))) for row in found]
        version = TableVersion(columns, [path], "WRITE", self.state.clock())
        table = FakeTable(full_name, [version])
        self.state.catalogs[catalog].schemas[schema].tables[name] = table
        return table

    def notebook(self, path: str) -> str:
        """The text of a notebook, as it was written last."""
        return self.objects.get(path)[1].content.decode()

    def edit_notebook(self, path: str, text: str) -> None:
        """Change a notebook, or make one, as somebody else would."""
        self.objects.mkdirs(path.rpartition("/")[0])
        moment = max((each.modified_at for each in self.objects.all.values()), default=0) + 1
        made = WorkspaceObject("NOTEBOOK", "PYTHON", text.encode(), modified_at=moment)
        self.objects.add(path, made)

    def rows(self, full_name: str, order: str = "ALL") -> list[tuple[Any, ...]]:
        """The rows that a table holds now, in order."""
        with tables.connection() as db:
            tables.view(db, "t", self.tables[full_name].versions[-1])
            return db.execute(f"SELECT * FROM t ORDER BY {order}").fetchall()
