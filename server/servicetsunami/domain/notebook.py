"""A notebook: Databricks SOURCE or Jupyter text with a name and a revision."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from servicetsunami.domain.dataset import SyncState
from servicetsunami.errors import InvalidInput

CONTENT_BYTES_MAX = 10 * 2**20
"""What Databricks takes for one notebook (its workspace/import API)."""
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 _.\-]{0,127}")
_PARTS_MAX = 8
_EXTENSIONS = (".ipynb", ".py", ".sql")


class NotebookFormat(StrEnum):
    """How the text is written down."""

    SOURCE = "source"
    JUPYTER = "jupyter"


class NotebookName(str):
    """`name` or `folder/name`, as in a workspace; without an extension."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name; an extension of notebook files is dropped, as Databricks does.

        Raises InvalidInput for what could not be a path in a workspace folder.
        """
        plain = text.strip().strip("/")
        for extension in _EXTENSIONS:
            plain = plain.removesuffix(extension)
        parts = plain.split("/")
        if len(parts) > _PARTS_MAX or not all(map(_PART.fullmatch, parts)):
            raise InvalidInput(
                f"{text!r} cannot name a notebook.",
                "Use name or folder/name: letters, digits, space, _, - and dots inside.",
            )
        return cls(plain)

    def beside(self, path: str) -> "NotebookName":
        """What `%run` and `dbutils.notebook.run` of this notebook mean by a path.

        Relative paths begin in the notebook's own folder, as on Databricks.
        """
        parts = self.split("/")[:-1] if not path.startswith("/") else []
        for part in path.strip().strip("/").split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in {".", ""}:
                parts.append(part)
        return NotebookName.parse("/".join(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One text of a notebook. `origin` tells where it was written: here, or on Databricks."""

    revision: int
    content: str
    sha256: str
    size_bytes: int
    cell_count: int
    origin: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """A text as Databricks has it: its hash, and when it was changed there, in milliseconds."""

    sha256: str
    modified_at_ms: int

    KEY: ClassVar[str] = "there"

    @classmethod
    def of(cls, metadata: Mapping[str, object]) -> "Self | None":
        """Read what `as_metadata` wrote; None for a notebook that was never there."""
        found = metadata.get(cls.KEY)
        if not isinstance(found, Mapping):
            return None
        modified_at_ms = int(str(found["modified_at_ms"]))
        return cls(sha256=str(found["sha256"]), modified_at_ms=modified_at_ms)

    def as_metadata(self) -> dict[str, object]:
        """What a notebook's metadata keep of it."""
        return {self.KEY: {"sha256": self.sha256, "modified_at_ms": self.modified_at_ms}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """What the metadata remembers of a notebook.

    `there` is the text on Databricks that both sides agreed on last.
    """

    id: str
    tenant: str
    name: NotebookName
    format: NotebookFormat
    language: str
    revision: int
    sha256: str
    size_bytes: int
    cell_count: int
    created_at: datetime
    updated_at: datetime
    sync_state: SyncState = SyncState.WAITING
    synced_revision: int | None = None
    synced_at: datetime | None = None
    sync_error: str | None = None
    there: "There | None" = None
