"""Reads what has to be put into an index elsewhere: the documents that differ between versions."""

import hashlib
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.domain.index import ID, VECTOR

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS: Final = 200
_BATCH_BYTES: Final = 2 * 2**20
_PLAIN: Final = frozenset({"integer", "long", "boolean"})
_BROKEN: Final = frozenset({"float", "double"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to put and what to take out; `ids` are all that shall be there in the end.

    `types` are the columns as the index has them.
    """

    documents: "pa.Table"
    ids: frozenset[str]
    removed: Sequence[str]
    left_out: int
    types: Mapping[str, str]

    def batches(self, only: Collection[str] | None = None) -> Iterator[list[dict[str, Any]]]:
        """The documents as JSON has them, in batches that one request can carry."""
        batch, size = list[dict[str, Any]](), 0
        for chunk in self.documents.to_batches(max_chunksize=_BATCH_ROWS):
            for row in chunk.to_pylist():
                if only is not None and row[ID] not in only:
                    continue
                shown = {name: _value(row.get(name), kind) for name, kind in self.types.items()}
                length = len(json.dumps(shown))
                if batch and (len(batch) >= _BATCH_ROWS or size + length > _BATCH_BYTES):
                    yield batch
                    batch, size = [], 0
                batch.append(shown)
                size += length
        if batch:
            yield batch


def read_changes(
    table: Path,
    version: int,
    *,
    base: int | None,
    touched: Collection[int],
    types: Mapping[str, str],
    dimension: int,
) -> Changes:
    """What makes an index that holds version `base` hold `version`; everything, without a base.

    Of the versions `touched` anything may be there as well.
    Rows without an id or without a vector of that dimension are left out and counted; of several
    rows with one id the last one counts.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy

    found, left_out = _load(table, version, dimension)
    digests = _digests(found)
    known: Mapping[str, bytes] = {}
    if base is not None:
        known = _digests(_load(table, base, dimension)[0])
    gone = set[str]()
    for each in touched:
        gone.update(_load(table, each, dimension)[0].column(ID).to_pylist())
    ids = found.column(ID).to_pylist()
    is_changed = [known.get(each) != digests[each] for each in ids]
    return Changes(
        documents=found.filter(pa.array(is_changed, pa.bool_())),
        ids=frozenset(digests),
        removed=sorted(gone.union(known) - digests.keys()),
        left_out=left_out,
        types=types,
    )


def _load(table: Path, version: int, dimension: int) -> "tuple[pa.Table, int]":
    """The rows that an index can hold, and how many it cannot."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    from deltalake import DeltaTable  # noqa: PLC0415

    rows = DeltaTable(table, version=version).to_pyarrow_table()
    texts = rows.column(ID).cast(pa.string())
    rows = rows.set_column(rows.column_names.index(ID), ID, texts)
    vectors = rows.column(VECTOR)
    is_usable = [
        key is not None and vector.is_valid and len(vector) == dimension
        for key, vector in zip(texts.to_pylist(), vectors, strict=True)
    ]
    kept = rows.filter(pa.array(is_usable, pa.bool_()))
    ids = kept.column(ID).to_pylist()
    last = {each: at for at, each in enumerate(ids)}
    is_last = pa.array([last[each] == at for at, each in enumerate(ids)], pa.bool_())
    return kept.filter(is_last), rows.num_rows - kept.num_rows


def _digests(rows: "pa.Table") -> dict[str, bytes]:
    """A digest of each row, by its id."""
    import numpy as np  # noqa: PLC0415 - heavy

    found: dict[str, bytes] = {}
    for chunk in rows.to_batches(max_chunksize=_BATCH_ROWS):
        others = chunk.drop_columns([VECTOR]).to_pylist()
        for row, vector in zip(others, chunk.column(VECTOR), strict=True):
            digest = hashlib.sha256(repr(sorted(row.items())).encode())
            digest.update(np.asarray(vector.values, dtype=np.float32).tobytes())
            found[row[ID]] = digest.digest()
    return found


def _value(value: Any, kind: str) -> Any:  # noqa: ANN401 - as the column is
    """A value as an index has it; numbers that JSON cannot hold are none."""
    if value is None or kind in _PLAIN:
        return value
    if kind in _BROKEN:
        return float(value) if math.isfinite(value) else None
    if kind.startswith("array<"):
        return [float(each) for each in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
