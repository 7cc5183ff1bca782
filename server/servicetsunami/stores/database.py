"""The metadata database: transactions, and what can be done inside one.

Everything that must be true together is one `begin()`: a dataset, its version and its outbox
item are committed by one transaction, or none of them.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from anyio import CancelScope
from sqlalchemy.exc import DBAPIError

from servicetsunami.stores.api_keys import ApiKeys
from servicetsunami.stores.audit import AuditTrail
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.connections import Engines, connect
from servicetsunami.stores.costs import Budgets, Costs, RemoteWork
from servicetsunami.stores.datasets import Datasets
from servicetsunami.stores.endpoints import Endpoints
from servicetsunami.stores.failures import translated, unreachable
from servicetsunami.stores.indexes import Indexes
from servicetsunami.stores.jobs import Jobs
from servicetsunami.stores.leases import Leases
from servicetsunami.stores.lineage import Lineage
from servicetsunami.stores.marks import Marks
from servicetsunami.stores.migrations import migrate
from servicetsunami.stores.notebooks import Notebooks
from servicetsunami.stores.outbox import Outbox
from servicetsunami.stores.run_costs import RunCosts
from servicetsunami.stores.run_tasks import RunTasks
from servicetsunami.stores.runs import Runs
from servicetsunami.stores.tenants import Tenants
from servicetsunami.stores.usage import Usage


class Transaction:
    """The repositories, bound to one transaction; invalid once it has ended."""

    def __init__(self, connection: Connection) -> None:
        self.tenants = Tenants(connection)
        self.api_keys = ApiKeys(connection, self.tenants)
        self.datasets = Datasets(connection, self.tenants)
        self.notebooks = Notebooks(connection, self.tenants)
        self.indexes = Indexes(connection, self.tenants)
        self.endpoints = Endpoints(connection, self.tenants)
        self.jobs = Jobs(connection, self.tenants)
        self.runs = Runs(connection, self.tenants)
        self.run_costs = RunCosts(connection)
        self.run_tasks = RunTasks(connection)
        self.lineage = Lineage(connection)
        self.outbox = Outbox(connection)
        self.leases = Leases(connection)
        self.usage = Usage(connection)
        self.audit = AuditTrail(connection)
        self.budgets = Budgets(connection)
        self.costs = Costs(connection)
        self.remote_work = RemoteWork(connection)
        self.marks = Marks(connection)


class Database:
    """Owns the connections to the metadata database."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect and bring the schema up to date; safe in many processes at once.

        Raises ConfigurationError, with a remedy, when the database cannot be used.
        """
        engines = connect(url)
        try:
            with translated(engines.where):
                if engines.file is not None:
                    _make_room_for(engines.file)
                await migrate(engines)
        except BaseException as error:
            with CancelScope(shield=True):
                await engines.dispose()
            if isinstance(error, DBAPIError):
                raise unreachable(engines.where, str(error.orig)) from error
            raise
        return cls(engines)

    @property
    def connections_in_use(self) -> int:
        """How many connections are lent out now."""
        return self._engines.in_use()

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[Transaction]:
        """Write: all of it is committed at the end of the block, or none of it.

        Raises Conflict when other writers keep the database busy for too long.
        """
        with translated(self._engines.where):
            async with self._engines.writes.transaction() as connection:
                yield Transaction(connection)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Transaction]:
        """Read one consistent state; cannot write, never waits for writers or holds them up."""
        with translated(self._engines.where):
            async with self._engines.reads.transaction() as connection:
                yield Transaction(connection)

    async def close(self) -> None:
        """Close all connections; open transactions are rolled back."""
        await self._engines.dispose()


def _make_room_for(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_dir():
        raise unreachable(str(file), "it is a directory")
