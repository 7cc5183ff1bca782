"""What is needed to speak to a workspace, put together from settings or from a profile."""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from servicetsunami.errors import ConfigurationError

DEFAULT_PROFILE: Final = "DEFAULT"
_PAT: Final = "pat"
_M2M: Final = "oauth-m2m"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceConfig:
    """One workspace: where it is, who we are there, and how patient we are with it.

    `call_timeout_s` bounds one try, `deadline_s` all tries of one call together. Secrets are not
    shown by `repr`.
    """

    host: str
    auth_type: str
    token: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    profile: str = ""
    config_file: Path | None = None
    warehouse_id: str = ""
    user_agent: str = "servicetsunami"
    connect_timeout_s: float = 3.0
    call_timeout_s: float = 4.0
    deadline_s: float = 20.0
    requests_per_s: float = 10.0
    notebooks_folder: str = "~/servicetsunami"
    cluster_id: str = ""
    breaker_failures: int = 5
    breaker_open_s: float = 5.0
    breaker_open_max_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What an operator has set; everything may be missing."""

    host: str = ""
    token: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    auth_type: str = ""
    profile: str = ""
    config_file: Path | None = None
    warehouse_id: str = ""


def resolve(
    given: Given,
    *,
    requests_per_s: float,
    user_agent: str,
    notebooks_folder: str = "~/servicetsunami",
    cluster_id: str = "",
) -> WorkspaceConfig:
    """Fill in from a profile what was not set; what was set wins.

    Without a host and without a profile's name, the profile DEFAULT is read, as Databricks' own
    tools do. Raises ConfigurationError, with what to set, when host or credentials are missing.
    """
    profile: Mapping[str, str] = {}
    if given.config_file is not None and (given.profile or not given.host):
        profile = read_profile(given.config_file, given.profile or DEFAULT_PROFILE)
    host = given.host or profile.get("host", "")
    if not host:
        raise ConfigurationError(
            "No host of a Databricks workspace is known.",
            "Set DATABRICKS_HOST, or DATABRICKS_CONFIG_PROFILE to a profile that has one.",
        )
    token = given.token or profile.get("token", "")
    client_id = given.client_id or profile.get("client_id", "")
    client_secret = given.client_secret or profile.get("client_secret", "")
    auth_type = given.auth_type or profile.get("auth_type", "")
    return WorkspaceConfig(
        host=normal_host(host),
        auth_type=auth_type or _auth_type(token, client_id, client_secret),
        token=token,
        client_id=client_id,
        client_secret=client_secret,
        profile=given.profile,
        config_file=given.config_file,
        warehouse_id=given.warehouse_id or profile.get("warehouse_id", ""),
        requests_per_s=requests_per_s,
        user_agent=user_agent,
        notebooks_folder=notebooks_folder,
        cluster_id=cluster_id or profile.get("cluster_id", ""),
    )


def _auth_type(token: str, client_id: str, client_secret: str) -> str:
    if token:
        return _PAT
    if client_id and client_secret:
        return _M2M
    raise ConfigurationError(
        "There are no credentials for the Databricks workspace.",
        "Set DATABRICKS_TOKEN, or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, or "
        "DATABRICKS_AUTH_TYPE with the extra databricks-sdk.",
    )


def normal_host(host: str) -> str:
    """An address without a path: https unless it says otherwise, no slash, no default port."""
    text = host.strip()
    parts = urlsplit(text if "://" in text else f"https://{text}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"{host!r} is not the address of a workspace.",
            "Set DATABRICKS_HOST to something like https://my-workspace.cloud.databricks.com.",
        )
    standard = {"https": 443, "http": 80}[parts.scheme]
    port = "" if parts.port in {None, standard} else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def read_profile(path: Path, name: str) -> Mapping[str, str]:
    """Read one profile of Databricks' configuration file; raises ConfigurationError."""
    parser = configparser.ConfigParser(default_section="", interpolation=None)
    try:
        parser.read_string(path.expanduser().read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"The configuration file {path} does not exist.",
            "Set DATABRICKS_HOST and credentials, or DATABRICKS_CONFIG_FILE.",
        ) from error
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise ConfigurationError(
            f"The configuration file {path} cannot be read: {str(error).splitlines()[0]}.",
            "Correct it, or set DATABRICKS_HOST and credentials.",
        ) from error
    if not parser.has_section(name):
        known = ", ".join(parser.sections()) or "none"
        raise ConfigurationError(
            f"The configuration file {path} has no profile {name!r}.",
            f"Set DATABRICKS_CONFIG_PROFILE to one of its profiles: {known}.",
        )
    return dict(parser.items(name))
