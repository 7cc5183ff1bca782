"""Indexes files of this machine: each one's text in pieces, those that have changed only."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from anyio import to_thread

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.index import CHUNK, DOCUMENT, FINGERPRINT, ID, TEXT
from servicetsunami.engines.vectors.files import piece_id
from servicetsunami.engines.vectors.reading import READERS
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.errors import InvalidInput, ServerError
from servicetsunami.services.indexing import Indexing, Opened, table
from servicetsunami.services.paths import AllowedRoots
from servicetsunami.services.progress import Report

_FILES_MAX: Final = 1_000
_READ_TIMEOUT_S: Final = 15.0
_PIECES_AT_ONCE: Final = 512
_SKIPPED_MAX: Final = 20


@dataclass(slots=True)
class Done:
    """What became of files: how many are in the index now, and which cannot be."""

    indexed: int = 0
    unchanged: int = 0
    remaining: int = 0
    skipped: list[str] = field(default_factory=list)


class IndexFiles:
    """Takes files and folders into an index."""

    def __init__(
        self, *, indexing: Indexing, roots: AllowedRoots, pool: WorkerPool, data_dir: Path
    ) -> None:
        self._indexing = indexing
        self._roots = roots
        self._pool = pool
        self._data_dir = data_dir

    async def locate(self, source: str) -> dict[str, Path]:
        """The files at a path by the names of their documents.

        Raises what AllowedRoots raises, and InvalidInput for files that are no documents.
        """
        locate = partial(
            self._roots.locate_all, source, private=self._data_dir, suffixes=tuple(READERS)
        )
        found = await to_thread.run_sync(locate)
        if len(found) > _FILES_MAX:
            raise InvalidInput(
                f"{source!r} has {len(found)} documents.",
                f"Name folders with at most {_FILES_MAX} each.",
            )
        if not found:
            raise InvalidInput(
                f"{source!r} has no documents.", f"Documents end in {', '.join(READERS)}."
            )
        return found

    async def add(
        self,
        caller: Caller,
        opened: Opened,
        files: Mapping[str, Path],
        *,
        until: float,
        report: Report,
    ) -> tuple[Opened, Done]:
        """Take files in until that time; what is in the index as it is now is left alone.

        Raises what is wrong with a file if it is the only one; of several, it is skipped.
        """
        known = await self._known(caller, opened)
        done, rows = Done(), list[dict[str, Any]]()
        waiting = 0
        for number, (name, path) in enumerate(files.items()):
            if time.monotonic() > until:
                done.remaining = len(files) - number
                break
            try:
                fingerprint = await to_thread.run_sync(_fingerprint, path)
                if known.get(name) == fingerprint:
                    done.unchanged += 1
                    continue
                rows += await self._read(caller, name, path, fingerprint)
            except ServerError as error:
                if len(files) == 1:
                    raise
                done.skipped.append(f"{name}: {error}")
                continue
            waiting += 1
            if len(rows) >= _PIECES_AT_ONCE:
                # Embedded later: reading all files comes first.
                opened = await self._indexing.put(caller, opened, rows, until=0)
                rows = []
                done.indexed, waiting = done.indexed + waiting, 0
                await report(number + 1, len(files), name)
        if rows:
            opened = await self._indexing.put(caller, opened, rows, until=until)
            done.indexed += waiting
        del done.skipped[_SKIPPED_MAX:]
        return opened, done

    async def _known(self, caller: Caller, opened: Opened) -> dict[str, str]:
        """The fingerprints of the files that are in the index."""
        names = {column.name for column in opened.dataset.columns} if opened.dataset else set()
        if not {DOCUMENT, FINGERPRINT} <= names:
            return {}
        sql = (
            f"SELECT DISTINCT {DOCUMENT}, {FINGERPRINT} FROM {table(opened.index.name)} "
            f"WHERE {FINGERPRINT} IS NOT NULL"
        )
        documents, fingerprints = await self._indexing.columns(caller, sql, [DOCUMENT, FINGERPRINT])
        return dict(zip(documents, fingerprints, strict=True))

    async def _read(
        self, caller: Caller, name: str, path: Path, fingerprint: str
    ) -> list[dict[str, Any]]:
        async with self._pool.acquire(affinity=caller.tenant) as worker:
            answer = await worker.call("read", {"path": str(path)}, timeout_s=_READ_TIMEOUT_S)
        pieces = answer["pieces"]
        if not pieces:
            raise InvalidInput(f"{path.name} has no text.", "Leave it out.")
        return [
            {
                ID: piece_id(name, number, len(pieces)),
                TEXT: piece["text"],
                DOCUMENT: name,
                CHUNK: number,
                "page": piece.get("page"),
                FINGERPRINT: fingerprint,
            }
            for number, piece in enumerate(pieces, 1)
        ]


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
