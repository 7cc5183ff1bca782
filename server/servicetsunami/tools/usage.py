"""The tool that says what a tenant has and uses."""

from typing import Annotated, Literal

from pydantic import Field

from servicetsunami.services.usage_answers import UsageAnswer
from servicetsunami.tools.context import CallOf

Period = Annotated[
    Literal["day", "week", "month"], Field(description="How far back calls are counted.")
]


async def tenant_usage(call: CallOf, period: Period = "week") -> UsageAnswer:
    """Tell what there is, what was used, what it cost, what is allowed, what reached Databricks.

    Figures say how exact they are.
    """
    return await call.services.tenant_usage.of(call.caller, period)
