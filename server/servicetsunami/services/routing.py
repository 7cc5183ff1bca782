"""Decides where a statement is computed, says why, and how fresh the answer will be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from servicetsunami.domain.caller import Caller
from servicetsunami.engines.sql.engine import Admitted, AdmittedTable
from servicetsunami.errors import (
    ConfigurationError,
    Conflict,
    InvalidInput,
    NotFound,
    RemoteError,
    SqlRefused,
)
from servicetsunami.services.catalog import Catalog, TableAsked, TableFound

RunOn = Literal["auto", "local", "databricks"]

_NO_TABLES = "The statement reads no tables."
_ALL_HERE = "All of its tables are on this machine."
_LISTING = "The metadata on this machine answers it."
_ASKED_THERE = "You asked for Databricks."


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where, why, and the caller's own datasets among the tables, in the statement's order.

    A table that is not here is None in `found`. `stale_since` is set when the local copy answers
    in the place of Databricks: since then the two may differ.
    """

    place: Literal["local", "databricks"]
    reason: str
    found: tuple[TableFound | None, ...] = ()
    stale_since: datetime | None = None

    @property
    def here(self) -> list[TableFound]:
        """The tables, for a statement all of whose tables are here."""
        return [table for table in self.found if table is not None]

    @property
    def is_all_here(self) -> bool:
        """Whether this machine can answer, too."""
        return all(self.found)

    def instead(self, error: RemoteError) -> "Route":
        """The way when Databricks failed and this machine can answer."""
        agreed = [table.dataset.agreed_at for table in self.here]
        known = [at for at in agreed if at is not None]
        return replace(
            self,
            place="local",
            reason=f"Databricks could not answer, so this machine did: {error.what}",
            stale_since=min(known) if known else None,
        )


class Router:
    """Knows which tables are here."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def route(self, caller: Caller, admitted: Admitted, run_on: RunOn) -> Route:
        """Choose the place for a statement that the gate has admitted.

        Raises NotFound, Conflict, SqlRefused, InvalidInput or ConfigurationError when there is no
        place that can answer it.
        """
        if run_on == "databricks" and not caller.has_databricks:
            raise ConfigurationError(
                "No Databricks workspace is connected.",
                "Use run_on local, or have DATABRICKS_ENABLED and its companions set.",
            )
        asked = [_asked(table) for table in admitted.tables]
        found = tuple(await self._catalog.look(caller, asked))
        waiting = _not_there(caller, found)
        if run_on == "databricks":
            return _there(admitted, found, waiting)
        if all(found):
            return Route(place="local", reason=_reason(admitted, found), found=found)
        if run_on == "local" or not caller.has_databricks:
            await self._refuse(caller, admitted.tables, found)
            return await self.route(caller, admitted, run_on)
        return _elsewhere(admitted.tables, found, waiting)

    async def _refuse(
        self,
        caller: Caller,
        tables: Sequence[AdmittedTable],
        found: Sequence[TableFound | None],
    ) -> None:
        """Raise the error that names the first table that is not here.

        It returns if another call has made that table meanwhile.
        """
        missing = next(table for table, there in zip(tables, found, strict=True) if there is None)
        if missing.catalog is not None:
            raise InvalidInput(
                f"{missing.catalog}.{missing.name} is on Databricks, not on this machine.",
                "Use run_on auto or databricks, or bring it here: ingest_dataset with source "
                f"'databricks:{missing.catalog}.{missing.name}'.",
            )
        try:
            await self._catalog.find(caller, [TableAsked.of(missing)])
        except NotFound as error:
            if not caller.has_databricks:
                raise
            hint = "If it is on Databricks only, use run_on auto or databricks."
            raise NotFound(error.what, f"{error.next_step} {hint}") from error


def _asked(table: AdmittedTable) -> TableAsked | None:
    return None if table.catalog is not None else TableAsked.of(table)


def _reason(admitted: Admitted, found: Sequence[TableFound | None]) -> str:
    if admitted.kind not in {"select", "describe query"}:
        return _LISTING
    return _ALL_HERE if found else _NO_TABLES


def _there(
    admitted: Admitted, found: tuple[TableFound | None, ...], waiting: Sequence[str]
) -> Route:
    """On Databricks, as asked, unless what is asked for is not there yet."""
    for table, there in zip(admitted.tables, found, strict=True):
        if there is not None and (table.version is not None or table.timestamp is not None):
            raise SqlRefused(
                f"Databricks counts the versions of {table.name} by itself, so time travel would "
                "not mean the same there.",
                "Use run_on local for earlier versions of your datasets.",
            )
    if waiting and all(found):
        reason = f"{waiting[0]} is not on Databricks under this name, so this machine answered."
        return Route(place="local", reason=reason, found=found)
    return _elsewhere(admitted.tables, found, waiting, reason=_ASKED_THERE)


def _elsewhere(
    tables: Sequence[AdmittedTable],
    found: tuple[TableFound | None, ...],
    waiting: Sequence[str],
    reason: str = "",
) -> Route:
    names = [
        f"{table.catalog}.{table.name}" if table.catalog else table.name
        for table, there in zip(tables, found, strict=True)
        if there is None
    ]
    if waiting:
        raise Conflict(
            f"{waiting[0]} is only here, and {names[0]} only on Databricks.",
            f"Bring {names[0]} here with ingest_dataset and source 'databricks:...', or wait until "
            "sync_status shows that the other one has arrived there.",
        )
    return Route(
        place="databricks",
        reason=reason or f"{', '.join(names)} is not on this machine.",
        found=found,
    )


def _not_there(caller: Caller, found: Sequence[TableFound | None]) -> list[str]:
    """Datasets that Databricks does not know under their own name (yet)."""
    datasets = [table.dataset for table in found if table is not None]
    return [
        str(each.name)
        for each in datasets
        if each.synced_version is None
        and (each.pulled is None or each.pulled.table != f"{caller.catalog}.{each.name}")
    ]
