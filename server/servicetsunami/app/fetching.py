"""Builds what fetches files from addresses, out of the settings."""

from typing import TYPE_CHECKING

from servicetsunami.settings import Settings

if TYPE_CHECKING:
    from servicetsunami.gateway.fetching import Fetcher


def fetcher(settings: Settings) -> "Fetcher":
    """What fetches; built when the first address is given, since it brings httpx."""
    from servicetsunami.gateway.fetching import Fetcher, FetchLimits  # noqa: PLC0415

    return Fetcher(
        FetchLimits(
            hosts=settings.fetch_hosts,
            origins=settings.fetch_origins,
            bytes_max=settings.fetch_mb * 2**20,
            timeout_s=settings.fetch_timeout_s,
        ),
        temp_dir=settings.data_dir / "temp",
        ca_file=settings.fetch_ca_file,
    )
