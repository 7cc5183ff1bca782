"""What Databricks has billed for a tenant, out of its own system tables, with plain SQL.

The tables tell of all workspaces of an account: only what this one used is counted, once its
number is known. What carries the tenant's tag, or is one of its runs, is counted exactly. A
warehouse that several tenants share carries no tag: each day of it is split by their shares of the
work in the query history, which is an estimate. All kinds of records are added up, since
corrections are negative.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from servicetsunami.domain.budget import THE_OPERATORS
from servicetsunami.domain.cost import QUERY_TAG, TENANT_TAG, CostLine, CostReport, Rate, RunCost
from servicetsunami.errors import RemoteDenied, RemoteError, RemoteNotFound
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.health import ME
from servicetsunami.gateway.retry import Replay
from servicetsunami.gateway.statements import StatementParameter, StatementRequest, Statements

_TIMEOUT_S: Final = 600.0
"""A warehouse that sleeps has to start first."""
_LOOK_S: Final = 3.0
_TAGS: Final = {"servicetsunami_tool": "billing"}
_PRICED: Final = """
FROM system.billing.usage u LEFT JOIN system.billing.list_prices p
  ON p.sku_name = u.sku_name AND p.cloud = u.cloud AND p.usage_unit = u.usage_unit
  AND p.currency_code = :currency AND u.usage_start_time >= p.price_start_time
  AND (p.price_end_time IS NULL OR u.usage_start_time < p.price_end_time)"""
_HERE: Final = "u.usage_date >= CAST(:since AS DATE) AND :workspace IN ('', u.workspace_id)"
_SUMS: Final = """
  SUM(CASE WHEN u.usage_unit = 'DBU' THEN u.usage_quantity ELSE 0 END) AS dbus,
  SUM(u.usage_quantity * p.pricing.effective_list.default) AS list_cost,
  SUM(CASE WHEN p.sku_name IS NULL THEN 1 ELSE 0 END) AS unpriced,"""
_OWN: Final = f"""
SELECT CAST(u.usage_date AS STRING) AS day, u.billing_origin_product AS product,{_SUMS}
  unix_seconds(MAX(CASE WHEN u.usage_metadata.warehouse_id IS NOT NULL
    THEN u.usage_end_time END)) AS seen_until{_PRICED}
WHERE {_HERE} AND (u.custom_tags['{TENANT_TAG}'] = :tenant
  OR array_contains(split(:runs, ','), u.usage_metadata.job_run_id))
GROUP BY u.usage_date, u.billing_origin_product"""
_RUNS: Final = f"""
SELECT u.usage_metadata.job_run_id AS run,{_SUMS}
  COUNT(*) AS records{_PRICED}
WHERE {_HERE} AND array_contains(split(:runs, ','), u.usage_metadata.job_run_id)
GROUP BY u.usage_metadata.job_run_id"""
_SHARED: Final = f"""
WITH work AS (
  SELECT CAST(start_time AS DATE) AS day, compute.warehouse_id AS warehouse,
    SUM(CASE WHEN query_tags['{QUERY_TAG}'] = :tenant
      THEN COALESCE(total_task_duration_ms, total_duration_ms, 0) ELSE 0 END) AS own_ms,
    SUM(COALESCE(total_task_duration_ms, total_duration_ms, 0)) AS all_ms,
    SUM(COALESCE(total_duration_ms, 0)) AS statements_ms
  FROM system.query.history
  WHERE start_time >= CAST(:since AS TIMESTAMP) AND compute.warehouse_id IS NOT NULL
  GROUP BY 1, 2
), bill AS (
  SELECT u.usage_date AS day, u.usage_metadata.warehouse_id AS warehouse,
    u.billing_origin_product AS product, u.custom_tags['{TENANT_TAG}'] AS tag,{_SUMS}
    unix_seconds(MAX(u.usage_end_time)) AS seen_until{_PRICED}
  WHERE {_HERE} AND u.usage_metadata.warehouse_id IS NOT NULL
    AND (u.custom_tags['{TENANT_TAG}'] IS NULL OR u.custom_tags['{TENANT_TAG}'] = :tenant)
  GROUP BY 1, 2, 3, 4
)
SELECT CAST(b.day AS STRING) AS day, b.warehouse, b.product, b.tag, b.dbus, b.list_cost,
  b.unpriced, b.seen_until, w.own_ms, w.all_ms, w.statements_ms
FROM bill b JOIN work w ON w.day = b.day AND w.warehouse = b.warehouse
WHERE w.own_ms > 0"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True, kw_only=True)
class _Billed:
    """A day of a product: in all, or of one warehouse with the work that it did that day."""

    day: date
    product: str
    dbus: float
    list_cost: float | None
    seen_until: datetime | None
    warehouse: str = ""
    is_tagged: bool = True
    own_ms: float = 0.0
    all_ms: float = 1.0
    statements_ms: float = 0.0

    @property
    def share(self) -> float:
        """How much of the work of that day was the tenant's."""
        return self.own_ms / self.all_ms


class Billing:
    """Reads system.billing and system.query, both of which need grants."""

    def __init__(self, client: WorkspaceClient, statements: Statements) -> None:
        self._client = client
        self._statements = statements

    async def report(
        self, tenant: str, *, since: date, runs: Sequence[str], currency: str, at: datetime
    ) -> CostReport:
        """What was billed for a tenant since a day; `runs` are the numbers of its runs there.

        Raises RemoteDenied or RemoteNotFound without the grants on system.billing. Without those
        on system.query, the report says so and has what is tagged.
        """
        workspace_id = await self._workspace_id()
        values = {
            "tenant": tenant,
            "since": since.isoformat(),
            "currency": currency,
            "workspace": workspace_id,
        }
        numbered = {**values, "runs": ",".join(runs)}
        tagged = await self._rows(_OWN, numbered, "system.billing")
        own = [_own(row) for row in tagged]
        ran = await self._rows(_RUNS, numbered, "system.billing") if runs else []
        shared, error = list[_Billed](), None
        try:
            found = await self._rows(_SHARED, values, "system.query")
            shared = [_shared(row) for row in found]
        except (RemoteDenied, RemoteNotFound) as denied:
            error = denied.what
        seen = [each.seen_until for each in (*own, *shared) if each.seen_until is not None]
        return CostReport(
            since=since,
            as_of=at,
            covered_until=max(seen, default=None),
            currency=currency,
            lines=[_line(each) for each in own] + _shares(shared),
            rates=_rates(shared),
            runs=dict(_run(row) for row in ran),
            workspace_id=workspace_id or None,
            shared_error=error,
        )

    async def _workspace_id(self) -> str:
        """The number of this workspace; empty where neither its address nor an answer tells."""
        if not self._client.workspace_id:
            with suppress(RemoteError):
                await self._client.send("GET", ME, replay=Replay.SAFE, deadline_s=_LOOK_S)
        return self._client.workspace_id

    async def _rows(
        self, sql: str, values: dict[str, str], what: str
    ) -> list[dict[str, str | None]]:
        parameters = [StatementParameter(name=n, value=v) for n, v in values.items()]
        request = StatementRequest(
            sql=sql.strip(), permit=THE_OPERATORS, parameters=parameters, tags=_TAGS
        )
        ended = await self._statements.run(request, timeout_s=_TIMEOUT_S)
        names = [column.name for column in ended.columns]
        with replies.understood(f"the question for {what}"):
            return [
                dict(zip(names, row, strict=True))
                async for rows in self._statements.rows(ended)
                for row in rows
            ]


def _own(row: dict[str, Any]) -> _Billed:
    with replies.understood("the question for system.billing"):
        return _Billed(**_common(row))


def _shared(row: dict[str, Any]) -> _Billed:
    with replies.understood("the question for system.query"):
        return _Billed(
            **_common(row),
            warehouse=str(row["warehouse"]),
            is_tagged=row["tag"] is not None,
            own_ms=float(row["own_ms"]),
            all_ms=float(row["all_ms"]),
            statements_ms=float(row["statements_ms"]),
        )


def _run(row: dict[str, Any]) -> tuple[str, RunCost]:
    with replies.understood("the question for system.billing"):
        return str(row["run"]), RunCost(dbus=float(row["dbus"]), list_cost=_price(row))


def _common(row: dict[str, Any]) -> dict[str, Any]:
    seen = row["seen_until"]
    return {
        "day": date.fromisoformat(str(row["day"])[:10]),
        "product": str(row["product"]),
        "dbus": float(row["dbus"]),
        "list_cost": _price(row),
        "seen_until": None if seen is None else datetime.fromtimestamp(float(seen), UTC),
    }


def _price(row: dict[str, Any]) -> float | None:
    """The list cost, where all of it has a price."""
    cost = row["list_cost"]
    return float(cost) if cost is not None and int(row["unpriced"]) == 0 else None


def _line(billed: _Billed) -> CostLine:
    return CostLine(
        day=billed.day,
        product=billed.product,
        dbus=billed.dbus,
        list_cost=billed.list_cost,
        is_exact=True,
    )


def _shares(shared: Sequence[_Billed]) -> list[CostLine]:
    """The tenant's part of what nobody is named for."""
    return [
        CostLine(
            day=each.day,
            product=each.product,
            dbus=each.dbus * each.share,
            list_cost=None if each.list_cost is None else each.list_cost * each.share,
            is_exact=False,
        )
        for each in shared
        if not each.is_tagged
    ]


def _rates(shared: Sequence[_Billed]) -> dict[str, Rate]:
    """What a second of a statement was billed for on each warehouse."""
    rates = {}
    for warehouse in sorted({each.warehouse for each in shared}):
        days = [each for each in shared if each.warehouse == warehouse]
        dbus = sum(each.dbus for each in days)
        # A day has a row for each product and tag, and the same work in each of them.
        seconds = sum({each.day: each.statements_ms for each in days}.values()) / 1000
        priced = [each for each in days if each.list_cost is not None]
        priced_dbus = sum(each.dbus for each in priced)
        cost = sum(each.list_cost or 0.0 for each in priced)
        rates[warehouse] = Rate(
            dbus_per_s=dbus / seconds if dbus > 0 and seconds > 0 else None,
            list_per_dbu=cost / priced_dbus if priced_dbus > 0 else None,
        )
    return rates
