"""A graph of neighbours (HNSW), so that of many vectors only some have to be compared.

It names vectors by a hash of the document's id and the vector, so it outlives the version it was
grown from: what was added since is compared one by one, what was removed is passed over. It never
decides on scores; those are computed from the matrix.
"""

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.engines.workers.confinement import confine

if TYPE_CHECKING:
    import numpy as np

MAKING: Final = "making-"
_FILE: Final = "neighbours.usearch"
_KIND: Final = "bf16"
"""Half the bytes of the matrix; the candidates are compared in full precision afterwards."""
_LINKS: Final = 16
_WIDTH_GROWING: Final = 128
_WIDTH_ASKING: Final = 256
"""How many vectors are kept in view on the way to the nearest."""
_ROWS_AT_ONCE: Final = 10_000
_CANDIDATES_MIN: Final = 64
_SPARE: Final = 2
"""So many times more candidates than wanted, as the graph's own order is not quite exact."""
_DEAD_SHARE_MAX: Final = 0.5
_STALE_SHARE_MAX: Final = 0.1
_NICE: Final = 10
_STDERR: Final = 2
_BOOT: Final = (
    "import sys; sys.path[:] = sys.argv[4:]; "
    "from servicetsunami.engines.vectors.graph import grow_in_child; grow_in_child(*sys.argv[1:4])"
)


def keys_of(ids: Sequence[str], matrix: "np.ndarray") -> "np.ndarray":
    """The names of vectors in a graph: the same for the same id and vector, in any version.

    0 stands for a row without a vector, which no graph has.
    """
    import numpy as np  # noqa: PLC0415 - heavy

    hashes = (
        hashlib.blake2b(name.encode() + row.tobytes(), digest_size=8).digest()
        for name, row in zip(ids, matrix, strict=True)
    )
    keys = np.frombuffer(b"".join(hashes), dtype=np.uint64)
    return np.where(matrix.any(axis=1), keys, 0)


class Graph:
    """A graph in a file that is mapped into memory, seen from the rows of one version."""

    def __init__(self, index: Any, keys: "np.ndarray") -> None:  # noqa: ANN401 - without types
        import numpy as np  # noqa: PLC0415 - heavy

        self._index = index
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        is_known = np.isin(keys, index.keys[:])
        self._missing = np.flatnonzero(~is_known & (keys != 0))
        self._alive = int(np.count_nonzero(is_known)) / max(len(index), 1)

    @property
    def is_useful(self) -> bool:
        """Whether not too much of it was removed."""
        return self._alive >= 1 - _DEAD_SHARE_MAX

    @property
    def is_stale(self) -> bool:
        """Whether it is time to grow another."""
        missing = len(self._missing) / max(len(self._keys), 1)
        return max(missing, 1 - self._alive) > _STALE_SHARE_MAX

    def near(
        self, vector: "np.ndarray", count: int, allowed: "np.ndarray | None"
    ) -> "np.ndarray | None":
        """The rows that have the nearest among them, in order; None where they are too few.

        `allowed` are the only rows that count, in order.
        """
        import numpy as np  # noqa: PLC0415 - heavy

        share = self._alive if allowed is None else self._alive * len(allowed) / len(self._keys)
        wanted = max(_CANDIDATES_MIN, math.ceil(_SPARE * count / max(share, 1e-6)))
        found = self._index.search(vector, min(wanted, len(self._index))).keys.astype(np.uint64)
        at = np.minimum(np.searchsorted(self._keys, found), len(self._keys) - 1)
        rows = self._order[at[self._keys[at] == found]]
        rows = np.union1d(rows, self._missing)
        if allowed is not None:
            at = np.minimum(np.searchsorted(allowed, rows), len(allowed) - 1)
            rows = rows[allowed[at] == rows]
        return rows if len(rows) >= count else None


def opened(folder: Path, keys: "np.ndarray") -> Graph | None:
    """The graph of an index, if one has been grown that can be used."""
    from usearch.index import Index  # noqa: PLC0415 - only for large indexes

    path = folder / _FILE
    try:
        index = Index.restore(path, view=True)
    except (OSError, RuntimeError, ValueError):
        return None
    if index is None:
        return None
    index.expansion_search = _WIDTH_ASKING
    graph = Graph(index, keys)
    return graph if graph.is_useful else None


def grow(folder: Path, matrix: Path, keys: Path) -> None:
    """Grow the graph of an index from a version's files, in a process of its own.

    Growing takes minutes, and would keep all threads of this process from running. Returns when it
    has ended, also when it was killed: without a graph all vectors are compared.
    """
    subprocess.run(  # noqa: S603 - our own interpreter and our own program
        growing(matrix, keys),
        stdin=subprocess.DEVNULL,
        # Standard output belongs to the protocol.
        stdout=_STDERR,
        cwd=folder,
        check=False,
    )


def growing(matrix: Path, keys: Path) -> list[str]:
    """The command that grows a graph into the folder where it is run, while this process lives."""
    parent = str(os.getpid())
    return [sys.executable, "-I", "-c", _BOOT, parent, str(matrix), str(keys), *sys.path]


def grow_in_child(parent: str, matrix: str, keys: str) -> None:
    """What the process does, in the folder of the index."""
    confine(parent=int(parent), address_space_bytes=None)
    os.nice(_NICE)
    import numpy as np  # noqa: PLC0415 - heavy

    grown = grown_from(np.load(matrix, mmap_mode="r"), np.load(keys))
    with TemporaryDirectory(dir=".", prefix=MAKING) as temporary:
        path = Path(temporary) / _FILE
        grown.save(path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(_FILE)


def grown_from(matrix: "np.ndarray", keys: "np.ndarray") -> Any:  # noqa: ANN401 - without types
    """A graph of the vectors, each under its key."""
    import numpy as np  # noqa: PLC0415 - heavy
    from usearch.index import Index  # noqa: PLC0415 - only for large indexes

    index = Index(
        ndim=matrix.shape[1],
        metric="ip",
        dtype=_KIND,
        connectivity=_LINKS,
        expansion_add=_WIDTH_GROWING,
    )
    names, firsts = np.unique(keys, return_index=True)
    rows = np.sort(firsts[names != 0])
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[at : at + _ROWS_AT_ONCE]
        index.add(keys[some], matrix[some])
    return index
