"""Keeps indexes as their datasets are: rows that are new or changed come in, others go.

Each step asks which rows the index does not have as they are, so that it can stop anywhere, or be
killed, and go on later.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from anyio import to_thread
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Column, Dataset, DatasetName
from servicetsunami.domain.index import CHUNK, DOCUMENT, FINGERPRINT, ID, TEXT, VECTOR, Followed
from servicetsunami.domain.remote import backticked
from servicetsunami.engines.vectors.files import cut_rows, write_pieces
from servicetsunami.errors import Conflict, InvalidInput, NotFound
from servicetsunami.services.indexing import Indexing, Opened, at_version, table
from servicetsunami.services.progress import Report
from servicetsunami.stores.metadata import Metadata

_ROWS_AT_ONCE: Final = 5_000
_TEXT_CHARS_MAX: Final = 1_000_000
_OURS: Final = frozenset({ID, TEXT, VECTOR, DOCUMENT, CHUNK, FINGERPRINT})
_PLAIN: Final = (
    "string", "boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal",
    "date", "timestamp",
)  # fmt: skip
"""Columns of other types are not taken along unless they are asked for."""
_KNOWN: Final = frozenset({"dataset", "text", "id", "columns"})
_HINT: Final = (
    'Use {"dataset": name, "text": its column of texts, "id": the column that names its rows, '
    '"columns": others to filter by}.'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far an index has come: the version of its dataset, and the one it has taken in whole."""

    dataset: DatasetName
    version: int
    indexed_version: int | None
    remaining: int
    """Rows that are still to be taken in, if it is known that there are any."""

    @property
    def is_current(self) -> bool:
        """Whether it has all of the newest version."""
        return self.indexed_version == self.version

    def shown(self) -> dict[str, JsonValue]:
        """The same for a caller."""
        return {
            "dataset": str(self.dataset),
            "version": self.version,
            "indexed_version": self.indexed_version,
            "remaining_rows": self.remaining,
        }


class Following:
    """Takes the rows of datasets into the indexes that follow them."""

    def __init__(self, *, metadata: Metadata, indexing: Indexing) -> None:
        self._metadata = metadata
        self._indexing = indexing

    async def read(self, caller: Caller, source: Mapping[str, JsonValue]) -> Followed:
        """Read which column of which dataset is meant; raises InvalidInput and NotFound."""
        unknown = sorted(set(source) - _KNOWN)
        if unknown or not isinstance(source.get("dataset"), str):
            raise InvalidInput(f"The source {_short(source)} cannot be understood.", _HINT)
        name = DatasetName.parse(str(source["dataset"]), catalog=caller.catalog)
        async with self._metadata.read() as transaction:
            dataset = await transaction.datasets.get(caller.tenant, name)
        columns = {column.name.lower(): column for column in dataset.columns}
        text = _column(source.get("text", TEXT), columns, name, "text")
        key = _column(source.get("id", ID), columns, name, "id")
        asked = source.get("columns")
        if asked is None:
            others = [each for each in dataset.columns if each.type.startswith(_PLAIN)]
        elif isinstance(asked, list):
            others = [_column(each, columns, name, "columns") for each in asked]
        else:
            raise InvalidInput("`columns` is no list of names.", _HINT)
        kept = tuple(
            each.name
            for each in others
            if each.name not in {text.name, key.name} and each.name.lower() not in _OURS
        )
        await self._check_keys(caller, dataset, key.name)
        return Followed(
            dataset=name, dataset_id=dataset.id, key=key.name, text=text.name, columns=kept
        )

    async def _check_keys(self, caller: Caller, dataset: Dataset, key: str) -> None:
        quoted = backticked(key)
        sql = (
            f"SELECT {quoted} AS id FROM {at_version(dataset)} "
            f"GROUP BY 1 HAVING {quoted} IS NULL OR count(*) > 1 LIMIT 1"
        )
        [found] = await self._indexing.columns(caller, sql, [ID])
        if found:
            raise InvalidInput(
                f"The column {key!r} of {dataset.name} does not name rows: "
                + ("it has NULLs." if found[0] is None else f"{found[0]!r} stands for several."),
                'Name a column with a value of its own in each row as "id".',
            )

    async def standing(self, caller: Caller, opened: Opened, *, remaining: int = 0) -> Standing:
        """Where the index and its dataset stand; raises Conflict where the dataset is gone."""
        followed, dataset = await self._followed(caller, opened)
        is_same = followed.dataset_id == dataset.id
        return Standing(
            dataset=followed.dataset,
            version=dataset.version,
            indexed_version=opened.index.follows_version if is_same else None,
            remaining=remaining,
        )

    async def _followed(self, caller: Caller, opened: Opened) -> tuple[Followed, Dataset]:
        followed = opened.index.follows
        if followed is None:
            raise AssertionError("only indexes that follow a dataset are asked")
        async with self._metadata.read() as transaction:
            dataset = await transaction.datasets.find(caller.tenant, followed.dataset)
        if dataset is None:
            raise Conflict(
                f"The dataset {followed.dataset}, which {opened.index.name} follows, is gone.",
                "The documents that were indexed are still found; delete the index when they "
                "are not wanted any more.",
            )
        return followed, dataset

    async def catch_up(
        self, caller: Caller, opened: Opened, *, until: float, report: Report
    ) -> tuple[Opened, Standing]:
        """Take in what is new until that time; where it stands then."""
        standing = await self.standing(caller, opened)
        while not standing.is_current:
            opened, remaining = await self._step(caller, opened, until)
            standing = await self.standing(caller, opened, remaining=remaining)
            if time.monotonic() > until:
                break
            if remaining:
                await report(0, None, f"{remaining:,} rows are left")
        return opened, standing

    async def _step(self, caller: Caller, opened: Opened, until: float) -> tuple[Opened, int]:
        """Take some rows in; when there are none, remove what is gone, and note the version."""
        followed, dataset = await self._followed(caller, opened)
        missing = _missing(followed, dataset, opened)
        [[left]] = await self._indexing.columns(
            caller,
            f"SELECT count(*) AS n FROM ({missing}) AS missing",
            ["n"],
        )
        if left:
            opened = await self._take(caller, opened, missing, until)
        remaining = max(0, int(left) - _ROWS_AT_ONCE)
        if not remaining:
            opened = await self._sweep(caller, opened, followed, dataset)
        return opened, remaining

    async def _take(self, caller: Caller, opened: Opened, missing: str, until: float) -> Opened:
        path = await self._indexing.file(caller, f"{missing} LIMIT {_ROWS_AT_ONCE}")
        if path is None:
            return opened
        pieces = await to_thread.run_sync(cut_rows, path)
        return await self._indexing.write(
            caller, opened, pieces.texts, partial(write_pieces, pieces), until=until
        )

    async def _sweep(
        self, caller: Caller, opened: Opened, followed: Followed, dataset: Dataset
    ) -> Opened:
        if opened.dataset is not None:
            current = (
                f"SELECT concat({_key(followed)}, ':', {_print(followed)}) "
                f"FROM {at_version(dataset)} WHERE {_usable(followed)}"
            )
            stale = f"concat({DOCUMENT}, ':', {FINGERPRINT}) NOT IN ({current})"
            place = table(opened.index.name)
            [[count]] = await self._indexing.columns(
                caller,
                f"SELECT count(*) AS n FROM {place} WHERE {stale}",
                ["n"],
            )
            if count:
                await self._indexing.change(caller, f"DELETE FROM {place} WHERE {stale}")
        now = Followed.of({**followed.as_stored(), "dataset_id": dataset.id})
        return await self._indexing.touched(caller, opened.index, followed=(now, dataset.version))


def _missing(followed: Followed, dataset: Dataset, opened: Opened) -> str:
    """The rows of the dataset that the index does not have as they are."""
    others = "".join(f", {backticked(name)}" for name in followed.columns)
    rows = (
        f"SELECT {_key(followed)} AS {ID}, "
        f"left({backticked(followed.text)}, {_TEXT_CHARS_MAX}) AS {TEXT}, "
        f"{_print(followed)} AS {FINGERPRINT}{others} "
        f"FROM {at_version(dataset)} WHERE {_usable(followed)}"
    )
    if opened.dataset is None:
        return f"SELECT * FROM ({rows}) AS given"
    return (
        f"SELECT given.* FROM ({rows}) AS given LEFT ANTI JOIN "
        f"(SELECT DISTINCT {DOCUMENT}, {FINGERPRINT} FROM {at_version(opened.dataset)}) AS known "
        f"ON known.{DOCUMENT} = given.{ID} AND known.{FINGERPRINT} = given.{FINGERPRINT}"
    )


def _key(followed: Followed) -> str:
    """The value that names a row, as the documents of the index are named."""
    return f"CAST({backticked(followed.key)} AS STRING)"


def _print(followed: Followed) -> str:
    """What tells two states of a row apart."""
    texts = ", ".join(
        f"coalesce(CAST({backticked(name)} AS STRING), chr(1))"
        for name in (followed.text, *followed.columns)
    )
    return f"md5(concat_ws(chr(31), {texts}))"


def _usable(followed: Followed) -> str:
    """Which rows have a key and a text at all."""
    return f"{backticked(followed.key)} IS NOT NULL AND trim({backticked(followed.text)}) <> ''"


def _column(
    asked: JsonValue, columns: Mapping[str, Column], dataset: DatasetName, what: str
) -> Column:
    found = columns.get(str(asked).lower())
    if found is None:
        raise NotFound(
            f"{dataset} has no column {str(asked)[:80]!r} for {what!r}.",
            f"It has {', '.join(column.name for column in columns.values())}. {_HINT}",
        )
    return found


def _short(source: Mapping[str, JsonValue]) -> str:
    return str(dict(source))[:200]
