"""What a caller asks to have ingested, checked before anything is read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from pydantic import JsonValue

from servicetsunami.domain.dataset import Dataset, DatasetName, WriteMode
from servicetsunami.errors import Conflict, InvalidInput, NotFound

_SUFFIXES = re.compile(r"(\.(csv|tsv|txt|jsonl?|ndjson|parquet|arrow|feather|xlsx?|gz|zst|zip))+$")
_KEY_CHARS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestRequest:
    """The arguments of an ingest; `options` are the reader's, but for `idempotency_key`."""

    source: str | Sequence[Mapping[str, JsonValue]]
    name: str | None
    mode: WriteMode
    keys: tuple[str, ...]
    format: str | None
    options: Mapping[str, JsonValue]

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
        """Where the rows came from, for people."""
        return self.source if isinstance(self.source, str) else "rows given in a call"

    def target(self, catalog: str) -> DatasetName:
        """The dataset to write; without a name, it is called after the file."""
        if self.name is not None:
            return DatasetName.parse(self.name, catalog=catalog)
        if not isinstance(self.source, str):
            raise InvalidInput(
                "Rows have no name of their own.", "Give `name` as table or schema.table."
            )
        stem = _SUFFIXES.sub("", PurePath(self.source).name.lower())
        table = re.sub(r"[^a-z0-9]+", "_", stem).strip("_") or "dataset"
        return DatasetName.parse(f"t_{table}" if table[0].isdigit() else table, catalog=catalog)

    def check_against(self, existing: Dataset | None, name: DatasetName) -> None:
        """Refuse what the mode does not allow, before any work is done."""
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
