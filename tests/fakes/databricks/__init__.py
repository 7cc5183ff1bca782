"""A Databricks workspace that is not one: stateful, on a real port, after the public contract."""

from tests.fakes.databricks.faults import Fault
from tests.fakes.databricks.sql.failures import SqlError
from tests.fakes.databricks.workspace import FakeWorkspace

__all__ = ["FakeWorkspace", "Fault", "SqlError"]
