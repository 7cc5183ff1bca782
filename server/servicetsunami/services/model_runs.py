"""Has models of this machine loaded and asked, in children that can be killed."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import anyio
from anyio import Path as AsyncPath
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import DatasetName, WriteMode
from servicetsunami.domain.endpoint import ModelVersion, Signature
from servicetsunami.engines.workers.frames import ChannelError
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.errors import InvalidInput, LimitExceeded, TimedOut
from servicetsunami.services.catalog import Catalog, TableAsked
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.model_files import Taken
from servicetsunami.services.progress import Progress, Report
from servicetsunami.services.sources import LocalSource
from servicetsunami.stores.tables.location import table_location

_FORMATS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
_ROWS_MAX: Final = 1_000
_CALL_TIMEOUT_S: Final = 20.0
_SCORED_AT_ONCE: Final = 2
_OPTIONS: Final = frozenset({"dataset", "version", "columns", "mode"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The version of a model that answers, and its file."""

    version: ModelVersion
    path: Path

    @property
    def arguments(self) -> dict[str, Any]:
        """What a child has to know of it."""
        return {"path": str(self.path), "signature": asdict(self.version.signature)}


class ModelRuns:
    """Loads models, answers calls, and scores datasets; `timeout_s` is for the last."""

    def __init__(
        self,
        *,
        pool: WorkerPool,
        catalog: Catalog,
        datasets: Datasets,
        data_dir: Path,
        timeout_s: float,
    ) -> None:
        self._pool = pool
        self._catalog = catalog
        self._datasets = datasets
        self._data_dir = data_dir
        self._timeout_s = timeout_s
        # So that a call need not wait until a long scoring leaves a child free.
        self._scoring = anyio.Semaphore(_SCORED_AT_ONCE)

    async def inspect(self, caller: Caller, taken: Taken) -> Signature:
        """Load a model once; raises InvalidInput, LimitExceeded or TimedOut where it fails."""
        arguments = {"path": str(taken.folder / taken.file)}
        with _explained(_CALL_TIMEOUT_S):
            async with self._pool.acquire(affinity=caller.tenant) as worker:
                found = await worker.call("inspect", arguments, timeout_s=_CALL_TIMEOUT_S)
        return Signature.of(found["signature"])

    async def predict(
        self, caller: Caller, serving: Serving, given: Mapping[str, JsonValue]
    ) -> dict[str, Any]:
        """What a model makes of the rows in a call."""
        _check(given)
        arguments = {**serving.arguments, "input": dict(given)}
        with _explained(_CALL_TIMEOUT_S):
            async with self._pool.acquire(affinity=caller.tenant) as worker:
                return await worker.call("predict", arguments, timeout_s=_CALL_TIMEOUT_S)

    async def score(
        self,
        caller: Caller,
        serving: Serving,
        given: Mapping[str, JsonValue],
        output: str,
        report: Report,
    ) -> dict[str, Any]:
        """Have a dataset scored into another one, which is written when all rows are scored."""
        asked, request = self._asked(caller, given, output)
        [found] = await self._catalog.find(caller, [asked])
        folder = AsyncPath(self._data_dir / "temp")
        await folder.mkdir(parents=True, exist_ok=True)
        target = Path(folder / f"scores-{uuid4().hex}.parquet")
        arguments = {
            **serving.arguments,
            "location": str(table_location(self._data_dir, caller.tenant, found.dataset.id)),
            "version": found.version.version,
            "columns": given.get("columns") or [],
            "target": str(target),
        }
        progress = Progress(report)
        try:
            with _explained(self._timeout_s):
                async with self._scoring, self._pool.acquire(affinity=caller.tenant) as worker:
                    done = await worker.call(
                        "score",
                        arguments,
                        timeout_s=self._timeout_s,
                        on_progress=progress.pass_on,
                    )
            source = LocalSource(path=target, rows=None, options=request.reader_options)
            written = await self._datasets.ingest(caller, request, report, source=source)
        finally:
            with anyio.CancelScope(shield=True):
                await AsyncPath(target).unlink(missing_ok=True)
        return {
            "rows": done["rows"],
            "output": {
                "dataset": written.name,
                "version": written.version,
                "columns_added": done["columns"],
                "read": f"{asked.name} version {found.version.version}",
            },
            "next": f"Call query_dataset to look into {written.name}.",
        }

    def _asked(
        self, caller: Caller, given: Mapping[str, JsonValue], output: str
    ) -> tuple[TableAsked, IngestRequest]:
        """Which version is read, and what is written."""
        unknown = sorted(set(given) - _OPTIONS)
        name, version = given.get("dataset"), given.get("version")
        if unknown or not isinstance(name, str) or not output:
            what = f"{unknown[0]!r} means nothing here" if unknown else "one of the two is missing"
            raise InvalidInput(
                f"Scoring reads a dataset and writes one, and {what}.",
                "Give input {dataset, version?, columns?, mode?} and the name of the `output`.",
            )
        asked = TableAsked(
            name=DatasetName.parse(name, catalog=caller.catalog),
            version=version if isinstance(version, int) else None,
        )
        request = IngestRequest(
            source=f"scores of {name}",
            name=output,
            mode=_mode(given),
            keys=(),
            format="parquet",
            options={},
        )
        request.target(caller.catalog)
        return asked, request


def _mode(given: Mapping[str, JsonValue]) -> WriteMode:
    mode = given.get("mode", WriteMode.CREATE.value)
    if mode not in {WriteMode.CREATE, WriteMode.OVERWRITE, WriteMode.APPEND}:
        raise InvalidInput(
            f"The mode {mode!r} cannot write scores.", "Use create, append or overwrite."
        )
    return WriteMode(str(mode))


def _check(given: Mapping[str, JsonValue]) -> None:
    """Refuse what names no format, or more rows than one call is for."""
    kinds = [each for each in _FORMATS if each in given]
    if len(kinds) != 1 or len(given) != 1:
        raise InvalidInput(
            f"The input has {', '.join(sorted(given)) or 'nothing'}.",
            f"Give one of {', '.join(_FORMATS)}; or dataset, with an `output`.",
        )
    rows = _rows(given[kinds[0]])
    if rows > _ROWS_MAX:
        raise InvalidInput(
            f"{rows} rows are more than the {_ROWS_MAX} that one call may have.",
            "Ingest them, and give {dataset: name} as input and a name as output.",
        )


def _rows(content: JsonValue) -> int:
    """How many rows there are, of content that need not be right yet."""
    if isinstance(content, dict):
        content = content.get("data", next(iter(content.values()), None))
    return len(content) if isinstance(content, list) else 0


@contextmanager
def _explained(timeout_s: float) -> Generator[None]:
    """Say what a child's end means for a model, and what helps: a pool speaks of queries."""
    try:
        yield
    except ChannelError as error:
        raise InvalidInput(
            "The input is too long for one call.", "Give fewer rows, or score a dataset."
        ) from error
    except TimedOut as error:
        raise TimedOut(
            f"The model did not come to an end within {timeout_s:g} s, and was stopped.",
            "Give fewer rows at once, or deploy a smaller model.",
        ) from error
    except LimitExceeded as error:
        raise LimitExceeded(
            "The process of the model ended: most likely it needed more memory than allowed.",
            "Give fewer rows at once, or have SERVICETSUNAMI_MODEL_MEMORY_MB raised.",
        ) from error
