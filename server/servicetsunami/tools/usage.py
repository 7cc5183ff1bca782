"""The tool that says what a tenant has and uses."""

from typing import Annotated, Literal

from pydantic import Field

from servicetsunami.services.usage_answers import UsageAnswer
from servicetsunami.tools.context import CallOf

Period = Annotated[
    Literal["day", "week", "month"], Field(description="How far back calls are counted.")
]


async def tenant_usage(call: CallOf, period: Period = "week") -> UsageAnswer:
    """Tell what there is and what was used: assets by kind, storage, calls, rows and errors a day.

    Also how much of it has reached Databricks, in percent, and how much still waits. Counts are
    exact as of `as_of`.
    """
    return await call.services.tenant_usage.of(call.caller, period)
