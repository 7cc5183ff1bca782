"""Keeps whole results on disk for a while, so that their pages can be fetched one by one."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from servicetsunami.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """A result on disk: its data file, and what its pages have to repeat."""

    id: str
    path: Path
    facts: Mapping[str, JsonValue]


class ResultStore:
    """Results by tenant and subject: an unknown, an expired and a foreign id look the same."""

    def __init__(self, root: Path, *, ttl_s: float) -> None:
        self._root = root
        self._ttl_s = ttl_s

    def reserve(self, tenant: str) -> tuple[str, Path]:
        """Return a new id that cannot be guessed, and where its data goes."""
        folder = self._folder(tenant)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        result_id = secrets.token_urlsafe(12)
        return result_id, folder / f"{result_id}.arrow"

    def keep(
        self, tenant: str, subject: str, result_id: str, facts: Mapping[str, JsonValue]
    ) -> None:
        """Let the subject fetch further pages of the result, for the time to live."""
        note = {"subject": subject, "expires_at": time.time() + self._ttl_s, "facts": dict(facts)}
        self._note(tenant, result_id).write_text(json.dumps(note), encoding="utf-8")

    def open(self, tenant: str, subject: str, result_id: str) -> StoredResult:
        """Return a result that this subject kept; raises NotFound when there is none."""
        try:
            note = json.loads(self._note(tenant, result_id).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            note = None
        if note is None or note["subject"] != subject or note["expires_at"] < time.time():
            raise NotFound(
                "That cursor is unknown or has expired.", "Run the query again with its sql."
            )
        return StoredResult(
            id=result_id, path=self._data(tenant, result_id), facts=dict(note["facts"])
        )

    def discard(self, tenant: str, result_id: str) -> None:
        """Remove a result whose one page has been given, or whose query failed."""
        self._note(tenant, result_id).unlink(missing_ok=True)
        self._data(tenant, result_id).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove what has expired, of all tenants; return how many files went.

        A file's age is enough to tell: nothing is written to it after the query.
        """
        oldest, removed = time.time() - self._ttl_s, 0
        for path in self._root.glob("*/results/*"):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue  # Another process swept it first.
        return removed

    def _folder(self, tenant: str) -> Path:
        return self._root / tenant / "results"

    def _data(self, tenant: str, result_id: str) -> Path:
        return self._folder(tenant) / f"{Path(result_id).name}.arrow"

    def _note(self, tenant: str, result_id: str) -> Path:
        return self._folder(tenant) / f"{Path(result_id).name}.json"
