"""The tool that says what a tenant has and uses."""

from typing import Annotated, Literal

from pydantic import Field

from servicetsunami.services.usage_answers import UsageAnswer
from servicetsunami.tools.context import CallOf

Period = Annotated[
    Literal["day", "week", "month"], Field(description="How far back calls are counted.")
]


async def tenant_usage(call: CallOf, period: Period = "week") -> UsageAnswer:
    """Tell what there is, what was used, what it cost, and what is allowed.

    Also how much has reached Databricks. Figures say whether they are exact, and as of when.
    """
    return await call.services.tenant_usage.of(call.caller, period)
