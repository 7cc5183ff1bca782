"""What the settings of every subject share: how they are read, and how lists are written."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Part(BaseSettings):
    """The settings of one subject."""

    model_config = SettingsConfigDict(
        env_prefix="SERVICETSUNAMI_", extra="ignore", frozen=True, populate_by_name=True
    )


def names(value: object) -> object:
    """Names separated by commas, in small letters."""
    if isinstance(value, str):
        return tuple(part.strip().lower() for part in value.split(",") if part.strip())
    return value
