"""A model endpoint: a name under which one version of a model answers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from servicetsunami.domain.dataset import SyncState
from servicetsunami.errors import InvalidInput

_CATALOG_MODEL = re.compile(
    r"databricks:(?P<name>[\w-]+\.[\w-]+\.[\w.-]+)/versions/(?P<version>[1-9]\d{0,9})", re.ASCII
)
_NAME_THERE_MAX = 63
TAG = "servicetsunami_id"
"""The tag that carries our id on Databricks: it tells what is ours."""
REMOTE_PREFIX = "databricks:"
"""What begins the source of a model, or the name of an endpoint, that is on Databricks."""
MAP = "map"
"""The type of an output that is no tensor, such as probabilities by class."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class Place(StrEnum):
    """Where an endpoint serves."""

    LOCAL = "local"
    DATABRICKS = "databricks"


class VersionState(StrEnum):
    """What became of a version.

    One that waits is not on Databricks yet, one that was superseded never served there.
    """

    WAITING = "WAITING"
    READY = "READY"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """An input or an output: `type` as numpy names it, None in `shape` for any length."""

    name: str
    type: str
    shape: tuple[int | None, ...] = ()

    @property
    def width(self) -> int | None:
        """How many values one row has; None where any number will do."""
        return self.shape[1] if len(self.shape) > 1 else 1

    @property
    def words(self) -> str:
        """Its type and shape to read, such as float32[n, 4]."""
        if self.type == MAP:
            return self.type
        sizes = ", ".join("n" if each is None else str(each) for each in self.shape)
        return f"{self.type}[{sizes}]"

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `asdict` made of it."""
        return cls(name=data["name"], type=data["type"], shape=tuple(data["shape"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a model takes and gives. `columns` are the names of the features of its one input."""

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `asdict` made of it."""
        return cls(
            inputs=_specs(data.get("inputs", ())),
            outputs=_specs(data.get("outputs", ())),
            columns=tuple(data.get("columns", ())),
        )


def _specs(data: Sequence[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec.of(each) for each in data)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One model that was deployed. `file` is what is loaded, below the version's own folder."""

    version: int
    state: VersionState
    flavour: str
    source: str
    created_at: datetime
    reason: str | None = None
    file: str | None = None
    sha256: str | None = None
    size_bytes: int = 0
    signature: Signature = field(default_factory=Signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What the metadata remembers of an endpoint.

    `revision` is its newest version, `serving` the one that answers: the newest that could be
    loaded. Only endpoints on Databricks are sent there.
    """

    id: str
    tenant: str
    name: str
    place: Place
    revision: int
    serving: int | None
    created_at: datetime
    updated_at: datetime
    sync_state: SyncState = SyncState.OFF
    synced_revision: int | None = None
    synced_at: datetime | None = None
    sync_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogModel:
    """A version of a model in Unity Catalog."""

    name: str
    version: str

    @property
    def catalog(self) -> str:
        """The catalog that it is in."""
        return self.name.partition(".")[0]

    @classmethod
    def parse(cls, source: str) -> Self:
        """Read `databricks:catalog.schema.model/versions/3`; raises InvalidInput."""
        found = _CATALOG_MODEL.fullmatch(source)
        if found is None:
            raise InvalidInput(
                f"{source[:200]!r} is no version of a model in Unity Catalog.",
                "Write databricks:catalog.schema.model/versions/3.",
            )
        return cls(name=found["name"].lower(), version=found["version"])


def name_there(catalog: str, name: str) -> str:
    """What an endpoint is called on Databricks, where all tenants share one list of names.

    Raises InvalidInput for one that is too long there.
    """
    full = f"{catalog}-{name}"
    if len(full) > _NAME_THERE_MAX:
        raise InvalidInput(
            f"On Databricks the endpoint would be called {full}, which is too long.",
            f"Take a name of at most {_NAME_THERE_MAX - len(catalog) - 1} characters.",
        )
    return full


def endpoint_name(text: str) -> str:
    """Check the name of an endpoint, which Databricks must be able to have as well."""
    if not _NAME.fullmatch(text):
        raise InvalidInput(
            f"{text[:300]!r} cannot be the name of an endpoint.",
            "Use 1 to 63 letters, digits, - and _, with a letter or digit first.",
        )
    return text
