"""What a client may ask to be told about: a dataset, a notebook or a run, by its name or id."""

from dataclasses import dataclass
from typing import Final, Literal, Self
from urllib.parse import unquote

from servicetsunami.domain.dataset import DatasetName
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.errors import InvalidInput

WatchedKind = Literal["datasets", "notebooks", "runs"]

_SCHEME: Final = "lake://"
_KINDS: Final[tuple[WatchedKind, ...]] = ("datasets", "notebooks", "runs")
_CATALOG: Final = "\0"
"""No catalog is called so: a resource names none."""


@dataclass(frozen=True, slots=True)
class Watched:
    """`name` as the records have it: `schema.table`, a notebook's name, or a run's id."""

    kind: WatchedKind
    name: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read the address of a resource, such as `lake://datasets/default.orders`.

        Raises InvalidInput for what nobody can be told about.
        """
        kind, _, given = uri.removeprefix(_SCHEME).partition("/")
        name = unquote(given)
        for each in _KINDS:
            if kind == each and name and uri.startswith(_SCHEME):
                return cls(each, _as_recorded(each, name, uri))
        raise _not_watched(uri)


def _as_recorded(kind: WatchedKind, name: str, uri: str) -> str:
    if kind == "datasets":
        return str(DatasetName.parse(name, catalog=_CATALOG))
    if kind == "notebooks":
        return str(NotebookName.parse(name))
    if "/" in name:
        raise _not_watched(uri)
    return name


def _not_watched(uri: str) -> InvalidInput:
    return InvalidInput(
        f"Nobody can be told of changes of {uri!r}.",
        "Subscribe to lake://datasets/{schema}.{table}, lake://notebooks/{name} or "
        "lake://runs/{run_id}.",
    )
