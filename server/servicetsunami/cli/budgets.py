"""Does what the commands `servicetsunami budget …` ask."""

from typing import Any

from servicetsunami.app import open_app
from servicetsunami.app.databricks import caller_of
from servicetsunami.domain.budget import Budget
from servicetsunami.domain.tenant import tenant_name
from servicetsunami.errors import Conflict
from servicetsunami.settings import Settings


async def change(settings: Settings, tenant: str, given: Budget) -> dict[str, Any]:
    """Give a tenant a budget of its own; how it stands."""
    async with open_app(settings) as app:
        await app.services.tenant_usage.budgets.set(tenant, given)
    return await show(settings, tenant, refresh=False)


async def clear(settings: Settings, tenant: str) -> bool:
    """Take it away; False where there was none."""
    async with open_app(settings) as app:
        return await app.services.tenant_usage.budgets.clear(tenant)


async def show(settings: Settings, tenant: str, *, refresh: bool) -> dict[str, Any]:
    """How a tenant stands; with `refresh`, after the bill was read anew.

    Raises Conflict while another server reads it, or a RemoteError.
    """
    async with open_app(settings) as app:
        usage = app.services.tenant_usage
        if refresh:
            caller = caller_of(settings, tenant_name(tenant), "administrator")
            if not await usage.reports.refresh(caller):
                raise Conflict(
                    f"Another server is reading the bill of {tenant}.",
                    "Ask again in a few minutes, without --refresh.",
                )
        state = await usage.budgets.state(tenant_name(tenant))
        own = await usage.budgets.all()
    return {"tenant": tenant, "is_own": tenant in own, **state.as_told()}


async def listed(settings: Settings) -> list[dict[str, Any]]:
    """How all tenants stand that have a budget of their own."""
    async with open_app(settings) as app:
        budgets = app.services.tenant_usage.budgets
        return [
            {"tenant": tenant, "is_own": True, **(await budgets.state(tenant)).as_told()}
            for tenant in await budgets.all()
        ]
