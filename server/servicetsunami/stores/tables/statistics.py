"""What the Delta log knows of the columns, without reading any data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from servicetsunami.stores.tables.columns import columns_of

if TYPE_CHECKING:
    from deltalake import DeltaTable

INDEXED_COLUMNS_MAX = 128
"""The first columns of a table, for which writers keep statistics."""

_WITHOUT = ("binary", "array", "map", "struct", "void", "variant")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStatistics:
    """One column of one version; None where the log does not know.

    Long texts are cut in the log: then `minimum` and `maximum` are bounds, not values.
    """

    null_count: int | None = None
    minimum: object = None
    maximum: object = None


def column_statistics(table: "DeltaTable") -> dict[str, ColumnStatistics]:
    """Add up the statistics of all files of the loaded version, by column name."""
    adds = table.get_add_actions()
    files = [
        _File(rows=rows, null_count=nulls or {}, minimum=low or {}, maximum=high or {})
        for rows, nulls, low, high in zip(
            *(_values(adds, name) for name in ("num_records", "null_count", "min", "max")),
            strict=True,
        )
    ]
    columns = columns_of(table)
    return {
        column.name: _of_column(column.name, files)
        if position < INDEXED_COLUMNS_MAX and not column.type.startswith(_WITHOUT)
        else ColumnStatistics()
        for position, column in enumerate(columns)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    rows: int | None
    null_count: Mapping[str, Any]
    minimum: Mapping[str, Any]
    maximum: Mapping[str, Any]

    def nulls(self, column: str) -> int | None:
        # A file that says nothing of an indexed column was written before the column was added.
        count = self.null_count.get(column)
        return self.rows if count is None else count


def _values(adds: Any, name: str) -> Sequence[Any]:  # noqa: ANN401 (an arro3 table)
    if name in adds.column_names:
        return adds.column(name).to_pylist()
    return [None] * adds.num_rows


def _of_column(column: str, files: Sequence[_File]) -> ColumnStatistics:
    nulls = [each.nulls(column) for each in files]
    filled = [each for each, count in zip(files, nulls, strict=True) if count != each.rows]
    return ColumnStatistics(
        null_count=sum(each for each in nulls if each is not None) if None not in nulls else None,
        minimum=_extreme(min, (each.minimum.get(column) for each in filled)),
        maximum=_extreme(max, (each.maximum.get(column) for each in filled)),
    )


def _extreme(choose: Any, values: Iterator[Any]) -> object:  # noqa: ANN401 (min or max)
    known = list(values)
    return None if None in known or not known else choose(known)
