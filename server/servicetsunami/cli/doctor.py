"""Looks at everything that the server needs, and says how to mend what is missing."""

import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from pydantic import JsonValue

from servicetsunami.cli.clients import CLIENTS, Client, Machine
from servicetsunami.cli.config_files import read_entry
from servicetsunami.errors import ConfigurationError, ServerError
from servicetsunami.services.progress import silent
from servicetsunami.settings import Settings

_DISTRIBUTION = "servicetsunami"
_SHOWN_PACKAGES = ("mcp", "duckdb", "deltalake", "pyarrow", "sqlalchemy", "sqlglot")
_PYTHON_MIN = (3, 11)
_FREE_WARN_BYTES = 2 * 2**30
_FREE_FAIL_BYTES = 200 * 2**20
_REINSTALL = "python -m pip install --upgrade --force-reinstall servicetsunami"


class Level(IntEnum):
    """How a check came out; the worst one is the exit code."""

    OK = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, how it is, and what to do about it when it is not well."""

    name: str
    level: Level
    detail: str
    fix: str | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """The check for `doctor --json`."""
        found: dict[str, JsonValue] = {
            "name": self.name,
            "level": self.level.name.lower(),
            "detail": self.detail,
        }
        return found | {"fix": self.fix} if self.fix else found


async def examine(settings: Settings, machine: Machine) -> list[Check]:
    """Run all checks. Those that need the data directory are left out when it cannot be used."""
    checks = [check_python(), check_packages(), check_data_dir(settings.data_dir)]
    if checks[-1].level < Level.FAIL:
        checks.append(check_space(shutil.disk_usage(settings.data_dir).free))
        checks.append(await check_metadata(settings))
        checks.append(await check_sql(settings))
        checks.append(await check_notebooks(settings))
        checks.append(await check_databricks(settings))
    return [*checks, *check_clients(machine)]


def check_python() -> Check:
    """Whether the interpreter is one that we support."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= _PYTHON_MIN:
        return Check(name="python", level=Level.OK, detail=f"{found} at {sys.executable}")
    return Check(
        name="python",
        level=Level.FAIL,
        detail=f"{found} is too old",
        fix="Install Python 3.11 or newer, and this package into it.",
    )


def check_packages() -> Check:
    """Whether everything is installed that this release asks for."""
    missing = [name for name in _required() if not _installed(name)]
    if missing:
        return Check(
            name="packages",
            level=Level.FAIL,
            detail=f"not installed: {', '.join(missing)}",
            fix=_REINSTALL,
        )
    shown = ", ".join(f"{name} {_installed(name)}" for name in (_DISTRIBUTION, *_SHOWN_PACKAGES))
    return Check(name="packages", level=Level.OK, detail=shown)


def _required() -> Iterator[str]:
    for line in requires(_DISTRIBUTION) or ():
        requirement, _, marker = line.partition(";")
        is_elsewhere = "sys_platform" in marker and sys.platform not in marker
        if "extra" not in marker and not is_elsewhere:
            yield re.split(r"[\[<>=!~ ]", requirement, maxsplit=1)[0]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_data_dir(directory: Path) -> Check:
    """Whether files can be made in the data directory, and others are kept out."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".doctor-"):
            pass
    except OSError as error:
        return Check(
            name="data directory",
            level=Level.FAIL,
            detail=f"{directory}: {error.strerror}",
            fix="Make it writable for you, or set SERVICETSUNAMI_DATA_DIR to another directory.",
        )
    if sys.platform != "win32" and directory.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Check(
            name="data directory",
            level=Level.WARN,
            detail=f"{directory} can be entered by other users",
            fix=f"chmod 700 {directory}",
        )
    return Check(name="data directory", level=Level.OK, detail=f"{directory}, writable")


def check_space(free_bytes: int) -> Check:
    """Whether there is room for data."""
    level = Level.OK
    if free_bytes < _FREE_WARN_BYTES:
        level = Level.FAIL if free_bytes < _FREE_FAIL_BYTES else Level.WARN
    return Check(
        name="free space",
        level=level,
        detail=f"{free_bytes / 1e9:.1f} GB",
        fix=None if level is Level.OK else "Free some space, or move SERVICETSUNAMI_DATA_DIR.",
    )


async def check_metadata(settings: Settings) -> Check:
    """Whether the metadata database opens, with the tables of this release."""
    from servicetsunami.domain.caller import LOCAL_TENANT  # noqa: PLC0415 - only for this command
    from servicetsunami.stores.metadata import Metadata  # noqa: PLC0415 - only for this command

    kind = "PostgreSQL" if settings.database_url.startswith("postgresql") else "SQLite"
    metadata = Metadata(settings.metadata_url)
    try:
        async with metadata.read() as transaction:
            count = await transaction.datasets.count(LOCAL_TENANT)
    except ServerError as error:
        return _failed("metadata", error)
    finally:
        await metadata.close()
    detail = f"{kind}, migrated, {count} dataset{'' if count == 1 else 's'}"
    return Check(name="metadata", level=Level.OK, detail=detail)


async def check_sql(settings: Settings) -> Check:
    """Whether a worker process really answers a query."""
    from servicetsunami.app import open_app  # noqa: PLC0415 - only for this command
    from servicetsunami.services.queries import Question  # noqa: PLC0415 - only for this command

    question = Question(
        sql="select 1 as answer", parameters={}, rows_max=1, timeout_s=None, form="concise"
    )
    try:
        async with open_app(settings) as app:
            answer = await app.services.queries.ask(app.caller(), question, silent)
    except ConfigurationError as error:
        # Its own advice is to run this command.
        return Check(name="SQL worker", level=Level.FAIL, detail=error.what, fix=_REINSTALL)
    except ServerError as error:
        return _failed("SQL worker", error)
    except RuntimeError as error:
        # A bug in the worker, or an installation of mixed versions: to be told, not to be hidden.
        last_line = str(error).strip().rpartition("\n")[2]
        return Check(name="SQL worker", level=Level.FAIL, detail=last_line, fix=_REINSTALL)
    if answer.rows != [[1]]:
        return Check(
            name="SQL worker",
            level=Level.FAIL,
            detail=f"select 1 was answered with {answer.rows}",
            fix=_REINSTALL,
        )
    return Check(
        name="SQL worker", level=Level.OK, detail=f"answered select 1 in {answer.elapsed_ms} ms"
    )


async def check_notebooks(settings: Settings) -> Check:
    """Whether notebooks can be isolated, by really starting something in the sandbox."""
    from servicetsunami.app.kernels import sandboxes  # noqa: PLC0415 - only for this command
    from servicetsunami.engines.kernels.sandbox import Isolation  # noqa: PLC0415

    name = "notebooks"
    level = await sandboxes(settings, is_hosted=False).level()
    if level.isolation is Isolation.ISOLATED:
        return Check(name=name, level=Level.OK, detail="isolated by bubblewrap")
    detail = f"not isolated: {level.problem}"
    if settings.allow_unsandboxed:
        detail += " They run as you, since SERVICETSUNAMI_ALLOW_UNSANDBOXED is set."
    return Check(name=name, level=Level.WARN, detail=detail, fix=level.fix)


async def check_databricks(settings: Settings) -> Check:
    """Whether a workspace that is to be used can be used."""
    from servicetsunami.app import open_app  # noqa: PLC0415 - only for this command

    name = "Databricks"
    if not settings.databricks_enabled:
        hint = "; DATABRICKS_HOST is set, DATABRICKS_ENABLED is not"
        detail = "not connected" + (hint if settings.databricks_host else "")
        return Check(name=name, level=Level.OK, detail=detail)
    try:
        async with open_app(settings) as app:
            workspace = await app.connection.workspace()
            health = await workspace.health.check()
    except ServerError as error:
        return _failed(name, error)
    if health.error:
        # Nothing here depends on it: what cannot be sent waits.
        return Check(name=name, level=Level.WARN, detail=health.error, fix=health.next_step)
    detail = f"{workspace.host} as {health.user}, warehouse {health.warehouse_state}"
    return Check(name=name, level=Level.OK, detail=detail)


def _failed(name: str, error: ServerError) -> Check:
    return Check(name=name, level=Level.FAIL, detail=error.what, fix=error.next_step)


def check_clients(machine: Machine) -> Iterator[Check]:
    """Whether the clients that are set up can find us."""
    for client in CLIENTS.values():
        yield _check_client(client, machine)


def _check_client(client: Client, machine: Machine) -> Check:
    setup = f"servicetsunami init --client {client.name}"
    path = client.user_file(machine)
    try:
        entry = read_entry(path, client.entry_path)
    except ServerError as error:
        return Check(
            name=client.title, level=Level.WARN, detail=error.what, fix=f"Correct it, then {setup}"
        )
    if entry is None:
        return Check(name=client.title, level=Level.OK, detail=f"not set up ({setup})")
    command = entry.get("command") if isinstance(entry, dict) else None
    if isinstance(command, str) and shutil.which(command):
        return Check(name=client.title, level=Level.OK, detail=f"starts {command}")
    return Check(
        name=client.title,
        level=Level.FAIL,
        detail=f"{path} starts {command}, which is not there",
        fix=setup,
    )
