"""What belongs to costs: budgets, quotas and the bill, out of the settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyio.abc import TaskGroup

from servicetsunami.domain.budget import Budget
from servicetsunami.domain.outbox import AssetKind
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.budgets import Budgets
from servicetsunami.services.costs import CostReports
from servicetsunami.services.quotas import Quotas
from servicetsunami.services.run_spending import RunSpending
from servicetsunami.services.spending import Spending
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What other services ask before they keep, begin or spend something."""

    quotas: Quotas
    budgets: Budgets
    spending: Spending
    run_spending: RunSpending
    reports: CostReports
    shared_endpoints: frozenset[str]


def costs(
    settings: Settings,
    *,
    metadata: Metadata,
    connection: Connection,
    tasks: TaskGroup,
    endpoints: Sequence[str],
) -> Costs:
    """Build them; `endpoints` are those that may be asked when the settings name none."""
    currency, shared = settings.databricks_currency, settings.databricks_shared_endpoints
    budgets = Budgets(metadata=metadata, default=default_budget(settings), currency=currency)
    return Costs(
        quotas=quotas(settings),
        budgets=budgets,
        spending=Spending(metadata=metadata, budgets=budgets, currency=currency),
        run_spending=RunSpending(budgets=budgets, currency=currency),
        reports=CostReports(
            metadata=metadata,
            connection=connection,
            tasks=tasks,
            default=default_budget(settings),
            hours=settings.databricks_billing_hours,
            currency=currency,
        ),
        shared_endpoints=frozenset(endpoints if shared is None else shared),
    )


def default_budget(settings: Settings) -> Budget:
    """What holds for tenants without a budget of their own."""
    return Budget(
        list_cost=settings.budget_list_cost,
        dbus=settings.budget_dbus,
        run_seconds=settings.budget_run_s,
    )


def quotas(settings: Settings) -> Quotas:
    """What each tenant may keep."""
    return Quotas(
        storage_bytes=settings.quota_storage_mb * 2**20,
        rows=settings.quota_rows,
        assets={
            AssetKind.DATASET: settings.quota_datasets,
            AssetKind.NOTEBOOK: settings.quota_notebooks,
            AssetKind.JOB: settings.quota_jobs,
            AssetKind.INDEX: settings.quota_indexes,
            AssetKind.ENDPOINT: settings.quota_endpoints,
        },
    )


def at_once(settings: Settings, wanted: int, workers_max: int) -> int:
    """How many of so many workers one tenant may have; 0 for all of them."""
    if wanted or not settings.asks_for_credentials:
        return wanted
    return max(1, workers_max - 1)
