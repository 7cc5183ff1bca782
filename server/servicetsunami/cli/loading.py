"""Reads the settings, and says in plain words what is wrong with them."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from servicetsunami.errors import ConfigurationError
from servicetsunami.settings import Settings, variable


def load_settings(*, data_dir: Path | None = None, **overrides: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """Read the settings; what is given here goes before the environment, None means not given.

    Raises ConfigurationError that names each wrong variable.
    """
    given: dict[str, Any] = {"data_dir": data_dir, **overrides}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError(
            f"The settings are not usable: {_faults(error)}.",
            "Correct them; docs/reference/settings.md describes each one.",
        ) from error


def _faults(error: ValidationError) -> str:
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        name = str(fault["loc"][0])
        field = Settings.model_fields.get(name)
        faults.append(f"{variable(name, field) if field else name}: {fault['msg']}")
    return "; ".join(faults)
