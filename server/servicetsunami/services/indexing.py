"""Embeds documents, and writes them as rows of the dataset that the documents of an index are."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from anyio import Path as AsyncPath
from anyio import to_thread
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName, WriteMode
from servicetsunami.domain.index import DOCUMENT, ID, OWN_VECTORS, TEXT, VECTOR, Followed, Index
from servicetsunami.domain.outbox import AssetKind
from servicetsunami.engines.vectors.files import read_columns, write_documents, write_filled
from servicetsunami.errors import BudgetUsedUp, Conflict, LimitExceeded, RemoteError
from servicetsunami.services.embeddings import Embeddings
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.job_sql import JobSql
from servicetsunami.services.quotas import Quotas
from servicetsunami.services.run_data import RunData

if TYPE_CHECKING:
    import numpy as np

_NAMED_MAX: Final = 1_000
"""As many ids are named in one statement."""

_FILLED_MAX: Final = 512
"""As many rows get their vectors in one version."""

Writer = Callable[[Path, "np.ndarray"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An index that is written to, and its dataset: none before its first documents."""

    index: Index
    dataset: Dataset | None

    @property
    def has_pieces(self) -> bool:
        """Whether some of its documents may be in several rows."""
        columns = self.dataset.columns if self.dataset is not None else ()
        return any(column.name == DOCUMENT for column in columns)


class Indexing:
    """What every source of documents does with an index."""

    def __init__(
        self, *, data: RunData, embeddings: Embeddings, quotas: Quotas, data_dir: Path
    ) -> None:
        self._data = data
        self._quotas = quotas
        self._sql = JobSql(data)
        self._embeddings = embeddings
        self._data_dir = data_dir

    async def open(
        self,
        caller: Caller,
        name: DatasetName,
        *,
        dimension: int | None = None,
        follows: Followed | None = None,
    ) -> Opened:
        """The index of that name, made if there is none; `dimension` is that of own vectors.

        It is written down before its first documents, so that a server that is killed leaves no
        dataset that could not become an index. Raises Conflict where the index is of another kind.
        """
        index, dataset = await self.look(caller, name)
        if index is None:
            if dataset is not None:
                raise Conflict(
                    f"{name} is a dataset, and no index.", "Give the index another name."
                )
            index = await self._made(caller, name, dimension, follows)
        _check_kind(index, dimension, follows)
        return Opened(index=index, dataset=dataset)

    async def _made(
        self, caller: Caller, name: DatasetName, dimension: int | None, follows: Followed | None
    ) -> Index:
        now = datetime.now(UTC)
        model = OWN_VECTORS
        if dimension is None:
            model, dimension = await self._embeddings.default(caller)
        index = Index(
            id=uuid4().hex,
            tenant=caller.tenant,
            name=name,
            model=model,
            dimension=dimension,
            created_at=now,
            updated_at=now,
            follows=follows,
        )
        async with self._data.metadata.begin() as transaction:
            await self._quotas.check_room(transaction, caller.tenant, AssetKind.INDEX)
            await transaction.indexes.add(index)
        return index

    async def put(
        self, caller: Caller, opened: Opened, rows: Sequence[Mapping[str, Any]], *, until: float
    ) -> Opened:
        """Write rows, embedded as far as there is time; what they replace of documents goes."""
        texts = [str(row["text"]) for row in rows]
        write = partial(write_documents, rows)
        opened = await self.write(caller, opened, texts, write, until=until)
        return await self._tidy(caller, opened, rows)

    async def put_own(
        self,
        caller: Caller,
        opened: Opened,
        rows: Sequence[Mapping[str, Any]],
        vectors: Sequence[Sequence[float]],
    ) -> Opened:
        """Write rows with vectors of their own."""
        return await self._store(caller, opened, partial(write_documents, rows, vectors=vectors))

    async def write(
        self,
        caller: Caller,
        opened: Opened,
        texts: Sequence[str],
        writer: Writer,
        *,
        until: float,
    ) -> Opened:
        """Embed texts, have `writer` make a file of rows with their vectors, and merge that.

        Rows that there is no time for get their vectors later, as all do while the model is on
        Databricks and that is away or not to be paid for: see Upkeep.
        """
        model = await self._embeddings.named(opened.index.model)
        try:
            vectors = await self._embeddings.embed(caller, model, texts, until=until)
        except (RemoteError, BudgetUsedUp):
            vectors = await self._embeddings.embed(caller, model, ())
        return await self._store(caller, opened, lambda path: writer(path, vectors))

    async def fill(self, caller: Caller, opened: Opened, *, until: float) -> tuple[Opened, int]:
        """Embed rows that have no vector yet; how many are left then.

        Raises Conflict where somebody has changed the index since it was opened.
        """
        dataset = opened.dataset
        if dataset is None or opened.index.model == OWN_VECTORS:
            return opened, 0
        pending = f"FROM {at_version(dataset)} WHERE {VECTOR} IS NULL AND trim({TEXT}) <> ''"
        [[count]] = await self.columns(caller, f"SELECT count(*) AS n {pending}", ["n"])
        path = None
        if count and time.monotonic() < until:
            path = await self.file(caller, f"SELECT * {pending} LIMIT {_FILLED_MAX}")
        if path is None:
            return opened, count
        model = await self._embeddings.named(opened.index.model)
        [texts] = await to_thread.run_sync(read_columns, path, [TEXT])
        vectors = await self._embeddings.embed(caller, model, texts, until=until)
        write = partial(write_filled, path, vectors=vectors)
        opened = await self._store(caller, opened, write, base_version=dataset.version)
        return opened, count - len(vectors)

    async def _store(
        self,
        caller: Caller,
        opened: Opened,
        write: Callable[[Path], None],
        *,
        base_version: int | None = None,
    ) -> Opened:
        folder = AsyncPath(self._data_dir / "temp")
        await folder.mkdir(parents=True, exist_ok=True)
        path = Path(folder / f"documents-{uuid4().hex}.parquet")
        is_new = opened.dataset is None
        request = IngestRequest(
            source="documents of an index",
            name=str(opened.index.name),
            mode=WriteMode.CREATE if is_new else WriteMode.MERGE,
            keys=() if is_new else (ID,),
            format="parquet",
            options={},
            base_version=base_version,
        )
        try:
            await to_thread.run_sync(write, path)
            await self._data.write(caller, request, path)
        finally:
            await AsyncPath(path).unlink(missing_ok=True)
        return await self.touched(caller, opened.index)

    async def look(self, caller: Caller, name: DatasetName) -> tuple[Index | None, Dataset | None]:
        """What there is of that name: an index, the dataset of its documents."""
        async with self._data.metadata.read() as transaction:
            index = await transaction.indexes.find(caller.tenant, name)
            dataset = await transaction.datasets.find(caller.tenant, name)
        return index, dataset

    async def reopened(self, caller: Caller, name: DatasetName) -> Opened:
        """An index as it is now; raises NotFound with the nearest names."""
        async with self._data.metadata.read() as transaction:
            index = await transaction.indexes.get(caller.tenant, name)
            dataset = await transaction.datasets.find(caller.tenant, name)
        return Opened(index=index, dataset=dataset)

    async def touched(
        self, caller: Caller, index: Index, *, followed: tuple[Followed, int] | None = None
    ) -> Opened:
        """Note the change, and look the dataset up as it is now."""
        now = datetime.now(UTC)
        async with self._data.metadata.begin() as transaction:
            await transaction.indexes.touch(index, at=now, followed=followed)
            dataset = await transaction.datasets.get(caller.tenant, index.name)
        if followed is not None:
            index = replace(index, follows=followed[0], follows_version=followed[1])
        return Opened(index=index, dataset=dataset)

    async def _tidy(
        self, caller: Caller, opened: Opened, rows: Sequence[Mapping[str, Any]]
    ) -> Opened:
        """Remove pieces that the documents of `rows` had before, and have no more."""
        if not opened.has_pieces:
            return opened
        documents = dict.fromkeys(str(row.get(DOCUMENT) or row[ID]) for row in rows)
        there = await self.pieces_of(caller, opened, list(documents))
        stale = there - {str(row[ID]) for row in rows}
        await self.remove(caller, opened, stale)
        return opened if not stale else await self.touched(caller, opened.index)

    async def pieces_of(self, caller: Caller, opened: Opened, documents: Sequence[str]) -> set[str]:
        """The ids of all rows that belong to the documents."""
        found: set[str] = set()
        for at in range(0, len(documents), _NAMED_MAX):
            names, parameters = _named(documents[at : at + _NAMED_MAX])
            also = f" OR {DOCUMENT} IN ({names})" if opened.has_pieces else ""
            sql = f"SELECT {ID} FROM {table(opened.index.name)} WHERE {ID} IN ({names}){also}"
            [ids] = await self.columns(caller, sql, [ID], parameters)
            found.update(map(str, ids))
        return found

    async def remove(self, caller: Caller, opened: Opened, ids: set[str]) -> None:
        """Delete rows by their ids."""
        listed = sorted(ids)
        for at in range(0, len(listed), _NAMED_MAX):
            names, parameters = _named(listed[at : at + _NAMED_MAX])
            await self.change(
                caller,
                f"DELETE FROM {table(opened.index.name)} WHERE {ID} IN ({names})",
                parameters,
            )

    async def change(
        self, caller: Caller, sql: str, parameters: Mapping[str, JsonValue] | None = None
    ) -> None:
        """Run a statement that changes the rows of an index."""
        await self._sql.run(caller, sql, parameters or {}, key=uuid4().hex, run_id=None)

    async def columns(
        self,
        caller: Caller,
        sql: str,
        names: Sequence[str],
        parameters: Mapping[str, JsonValue] | None = None,
    ) -> list[list[Any]]:
        """The columns of a whole result, one list for each name."""
        path = await self.file(caller, sql, parameters)
        if path is None:
            return [[] for _ in names]
        return await to_thread.run_sync(read_columns, path, names)

    async def file(
        self,
        caller: Caller,
        sql: str,
        parameters: Mapping[str, JsonValue] | None = None,
        *,
        only: DatasetName | None = None,
    ) -> Path | None:
        """The file with the whole result of a question; None for one without rows.

        `only` names the one table that may be read. Raises LimitExceeded for more rows than are
        kept.
        """
        answer = await self._data.ask(
            caller, sql, parameters or {}, run_id=None, rows_max=0, run_on="local", only=only
        )
        if answer.row_count_is_minimum:
            raise LimitExceeded(
                f"The filter leaves more than {answer.row_count} documents.",
                "Narrow the filter, search without one, or have SERVICETSUNAMI_QUERY_ROWS_MAX "
                "raised.",
            )
        return self._data.stored(caller, answer)


def table(name: DatasetName) -> str:
    """The name of a table, as SQL reads it."""
    return f"`{name.schema}`.`{name.table}`"


def at_version(dataset: Dataset) -> str:
    """The dataset as it is known here, as SQL reads it."""
    return f"{table(dataset.name)} VERSION AS OF {dataset.version}"


def _named(values: Sequence[str]) -> tuple[str, dict[str, JsonValue]]:
    """The values as parameters of a statement."""
    parameters: dict[str, JsonValue] = {f"d{n}": value for n, value in enumerate(values)}
    return ", ".join(f":{name}" for name in parameters), parameters


def _check_kind(index: Index, dimension: int | None, follows: Followed | None) -> None:
    if (index.model == OWN_VECTORS) != (dimension is not None):
        made = "vectors of your own" if dimension is None else f"the model {index.model}"
        raise Conflict(
            f"{index.name} has {made}: other vectors cannot be compared with them.",
            "Give each document a `vector`." if dimension is None else "Leave `vector` out.",
        )
    if dimension is not None and dimension != index.dimension:
        raise Conflict(
            f"The vectors of {index.name} have {index.dimension} numbers, and these {dimension}.",
            "Use the model that made the others, or make another index.",
        )
    if index.follows is not None and follows is None:
        raise Conflict(
            f"{index.name} follows the dataset {index.follows.dataset}.",
            "Change that dataset, or make another index.",
        )
    if follows is None:
        return
    known = index.follows
    if known is None or replace(known, dataset_id=follows.dataset_id) != follows:
        what = f"follows {known.dataset} in another way" if known else "follows no dataset"
        raise Conflict(f"{index.name} {what}.", "Delete it first, or make another index.")
