"""Tells how many datasets, notebooks and pipelines there are, and how many are on Databricks."""

from typing import TYPE_CHECKING

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import SyncState
from servicetsunami.services.answers import Answer, AnyObject
from servicetsunami.services.tenant_usage import TenantUsage
from servicetsunami.services.usage_answers import CostAnswer
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicetsunami.stores.datasets import StateTotals


class ResourceCount(Answer):
    """How many there are, and how many are on Databricks as they are here."""

    total: int
    in_databricks: int

    @property
    def percent(self) -> float:
        """How much of it is on Databricks; 0 where there is nothing."""
        return round(100 * self.in_databricks / self.total, 1) if self.total else 0.0


class ResourceCounts(Answer):
    """What there is, by the names that the ServiceTsunami API gives to it."""

    datasets: ResourceCount
    notebooks: ResourceCount
    pipelines: ResourceCount


class SyncPercentage(Answer):
    """How much of each is on Databricks, in percent."""

    datasets: float
    notebooks: float
    pipelines: float


class ResourceUsage(Answer):
    """What a tenant has, and how much of it has reached Databricks.

    Where it was asked for, also what Databricks billed in 30 days, and the month's budget.
    """

    resources: ResourceCounts
    sync_percentage: SyncPercentage
    cost: CostAnswer | None = None
    budget: AnyObject | None = None


class Resources:
    """Counts from this machine's own records, so that it is quick while Databricks is down."""

    def __init__(self, *, metadata: Metadata, usage: TenantUsage) -> None:
        self._metadata = metadata
        self._usage = usage

    async def of(self, caller: Caller, *, with_costs: bool = False) -> ResourceUsage:
        """Count what the caller's tenant has; `with_costs` may have its bill read beside it."""
        cost, budget = await self._usage.costs(caller) if with_costs else (None, None)
        async with self._metadata.read() as transaction:
            datasets = _count(await transaction.datasets.totals(caller.tenant))
            notebooks = _count(await transaction.notebooks.totals(caller.tenant))
            pipelines = _count(await transaction.jobs.totals(caller.tenant))
        return ResourceUsage(
            resources=ResourceCounts(datasets=datasets, notebooks=notebooks, pipelines=pipelines),
            sync_percentage=SyncPercentage(
                datasets=datasets.percent, notebooks=notebooks.percent, pipelines=pipelines.percent
            ),
            cost=cost,
            budget=budget,
        )


def _count(totals: "Sequence[StateTotals]") -> ResourceCount:
    return ResourceCount(
        total=sum(each.count for each in totals),
        in_databricks=sum(each.count for each in totals if each.state is SyncState.SYNCED),
    )
