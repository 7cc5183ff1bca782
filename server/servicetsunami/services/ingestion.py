"""What a caller asks to have ingested, checked before anything is read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from pydantic import JsonValue

from servicetsunami.domain.dataset import Dataset, DatasetName, WriteMode
from servicetsunami.domain.remote import TableAddress
from servicetsunami.errors import Conflict, InvalidInput, NotFound

_SUFFIXES = re.compile(r"(\.(csv|tsv|txt|jsonl?|ndjson|parquet|arrow|feather|xlsx?|gz|zst|zip))+$")
_KEY_CHARS_MAX = 200
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
REMOTE_PREFIX = "databricks:"
"""What a source begins with that is a table on Databricks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestRequest:
    """The arguments of an ingest; `options` are the reader's, but for `idempotency_key`."""

    source: str | Sequence[Mapping[str, JsonValue]]
    name: str | None
    mode: WriteMode
    keys: tuple[str, ...]
    format: str | None
    options: Mapping[str, JsonValue]
    base_version: int | None = None
    """Write only if the dataset is still in this version."""
    run_id: str | None = None
    """The run that writes, for the history of the table."""

    @property
    def commit_info(self) -> dict[str, str]:
        """What the commit says of itself."""
        return {"mode": self.mode.value} | ({"run_id": self.run_id} if self.run_id else {})

    @property
    def idempotency_key(self) -> str | None:
        """The caller's own name for this change; the same name is never applied twice."""
        key = self.options.get("idempotency_key")
        if key is None:
            return None
        # Not every database can store control characters and halves of surrogate pairs.
        if isinstance(key, str) and key.isprintable() and 0 < len(key) <= _KEY_CHARS_MAX:
            return key
        raise InvalidInput(
            "The option idempotency_key is not usable.",
            f"Give a text of 1 to {_KEY_CHARS_MAX} printable characters.",
        )

    @property
    def reader_options(self) -> dict[str, JsonValue]:
        """What the reader is told."""
        options = {k: v for k, v in self.options.items() if k != "idempotency_key"}
        if self.format is not None:
            options["format"] = self.format
        return options

    @property
    def origin(self) -> str:
        """Where the rows came from, for people; an address without what may be a credential."""
        if not isinstance(self.source, str):
            return "rows given in a call"
        return self.source if self.address is None else re.split(r"[?#]", self.source)[0]

    @property
    def address(self) -> str | None:
        """The address on the web that is to be fetched, for a source that is one."""
        if isinstance(self.source, str) and _ADDRESS.match(self.source):
            return self.source
        return None

    @property
    def remote_table(self) -> TableAddress | None:
        """The table on Databricks that is to be copied here, for a source that names one."""
        if isinstance(self.source, str) and self.source.lower().startswith(REMOTE_PREFIX):
            return TableAddress.parse(self.source[len(REMOTE_PREFIX) :])
        return None

    def target(self, catalog: str) -> DatasetName:
        """The dataset to write; without a name, it is called after the file or the table."""
        if self.name is not None:
            return DatasetName.parse(self.name, catalog=catalog)
        remote = self.remote_table
        if remote is not None:
            return DatasetName.parse(f"{_plain(remote.schema)}.{_plain(remote.table)}", catalog="")
        if not isinstance(self.source, str):
            raise InvalidInput(
                "Rows have no name of their own.", "Give `name` as table or schema.table."
            )
        stem = _SUFFIXES.sub("", PurePath(self.origin).name.lower())
        return DatasetName.parse(_plain(stem), catalog=catalog)

    def check_against(self, existing: Dataset | None, name: DatasetName) -> None:
        """Refuse what the mode does not allow, before any work is done."""
        if self.base_version is not None and (
            existing is None or existing.version != self.base_version
        ):
            raise Conflict(
                f"{name} was changed by others since it was read.",
                "Nothing was written: read it again, and run this again.",
            )
        if self.mode is WriteMode.CREATE and existing is not None:
            raise Conflict(
                f"The dataset {name} exists already, with {existing.row_count} rows.",
                "Use mode append, overwrite or merge, or another name.",
            )
        if self.mode is WriteMode.MERGE and not self.keys:
            raise InvalidInput(
                "A merge needs to know which columns identify a row.", "Give `keys`."
            )
        if self.mode is not WriteMode.MERGE and self.keys:
            raise InvalidInput(
                f"`keys` have no meaning with mode {self.mode.value}.",
                "Use mode merge, or leave `keys` out.",
            )
        if self.mode is WriteMode.MERGE and existing is None:
            raise NotFound(
                f"There is no dataset {name} to merge into.", "Use mode create for the first rows."
            )


def _plain(name: str) -> str:
    """Make a part of a dataset's name out of any text."""
    part = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "dataset"
    return f"t_{part}" if part[0].isdigit() else part
