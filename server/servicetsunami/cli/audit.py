"""Does what the commands `servicetsunami audit …` ask, in the metadata database alone."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from servicetsunami.app.auditing import audit_key
from servicetsunami.errors import InvalidInput
from servicetsunami.services.audit import AuditAnswer
from servicetsunami.services.audit_check import AuditCheck, ChainFound
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


async def show(
    settings: Settings,
    tenant: str | None,
    since: str,
    tell: Callable[[str, AuditAnswer], None],
) -> None:
    """Tell of each record from a time on, tenant by tenant."""
    start = moment(since)
    async with _check(settings) as check:
        for each in await check.tenants(tenant):
            async for record in check.records(each, since=start):
                tell(each, AuditAnswer.of(record))


async def verify(
    settings: Settings, tenant: str | None, known: str | None
) -> tuple[list[ChainFound], bool]:
    """Check the chains; and whether the seal that is known is in one of them."""
    async with _check(settings) as check:
        return await check.chains(tenant), known is None or await check.holds(known)


def moment(text: str) -> datetime:
    """A time as people give it, in UTC unless it says otherwise; raises InvalidInput."""
    ago = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if ago is not None:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is no time.", "Give one such as 24h, 7d or 2026-01-31T12:00."
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@asynccontextmanager
async def _check(settings: Settings) -> AsyncGenerator[AuditCheck]:
    settings.make_data_dir()
    metadata = Metadata(settings.metadata_url)
    try:
        yield AuditCheck(metadata, key=audit_key(settings))
    finally:
        await metadata.close()
