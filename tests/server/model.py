"""What a dataset must hold after a history of changes, and a client that makes them."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.server.processes import Server

Rows = Mapping[int, int]
"""The change that wrote a row, by the row's key."""

_ROWS = 30
_LINES = 1_500
COUNTED = "SELECT op, count(*), sum(k), count(DISTINCT k) FROM {} GROUP BY op ORDER BY op"


@dataclass(frozen=True, slots=True)
class State:
    """The dataset, None where it does not exist, and how many rows its rejects have."""

    rows: Rows | None = None
    rejects: int = 0

    def counted(self) -> list[list[Any]] | None:
        """The answer to COUNTED."""
        if self.rows is None:
            return None
        keys: dict[int, list[int]] = {}
        for key, op in self.rows.items():
            keys.setdefault(op, []).append(key)
        return [[op, len(k), str(sum(k)), len(k)] for op, k in sorted(keys.items())]


@dataclass(frozen=True, slots=True)
class Change:
    """One call, and the state that it leads to."""

    tool: str
    arguments: Mapping[str, Any]
    after: State


@dataclass(slots=True)
class History:
    """All changes so far; `versions` are those of the dataset that were acknowledged."""

    folder: Path
    rng: random.Random
    state: State = field(default_factory=State)
    versions: dict[int, State] = field(default_factory=dict)
    number: int = 0

    def next_change(self) -> Change:
        """Any change that the present state allows."""
        self.number += 1
        old = self.state.rows
        if old is None:
            return self._rows("create", {})
        kinds = ["append", "append", "merge", "merge", "overwrite", "rejecting", "delete"]
        kind = self.rng.choice(kinds)
        if kind == "delete":
            arguments = {"name": "t", "confirm": "t"}
            return Change("delete_asset", arguments, State(None, self.state.rejects))
        if kind == "rejecting":
            return self._file(old)
        return self._rows(kind, {} if kind == "overwrite" else old)

    def _keys(self, count: int) -> Iterator[int]:
        return iter(range(self.number * 10_000, self.number * 10_000 + count))

    def _rows(self, mode: str, old: Rows) -> Change:
        keys = list(self._keys(_ROWS))
        if mode == "merge":
            keys += self.rng.sample(sorted(old), min(_ROWS, len(old)))
        rows = [{"k": key, "op": self.number} for key in keys]
        arguments: dict[str, Any] = {"source": rows, "name": "t", "mode": mode}
        if mode == "merge":
            arguments["keys"] = ["k"]
        after = State({**old, **dict.fromkeys(keys, self.number)}, self.state.rejects)
        return Change("ingest_dataset", arguments, after)

    def _file(self, old: Rows) -> Change:
        keys = list(self._keys(_LINES))
        lines = [f"{key},{self.number}" for key in keys]
        lines.insert(_LINES // 2, "broken,line,with,too,many,fields")
        (self.folder / f"{self.number}.csv").write_text("k,op\n" + "\n".join(lines) + "\n")
        arguments = {"source": f"{self.number}.csv", "name": "t", "mode": "append"}
        after = State({**old, **dict.fromkeys(keys, self.number)}, self.state.rejects + 1)
        return Change("ingest_dataset", arguments, after)

    def acknowledged(self, change: Change, version: int | None) -> None:
        """Take over what the server has said it did."""
        if change.after.rows is None:
            self.versions.clear()
        elif version is not None:
            self.versions[version] = change.after
        self.state = change.after

    def check(self, server: Server, pending: Change | None) -> None:
        """The dataset is as acknowledged, or has the whole of the one change that was pending."""
        found = observed(server)
        allowed = [self.state] if pending is None else [self.state, pending.after]
        fitting = [each for each in allowed if (each.counted(), each.rejects) == found]
        assert fitting, (found, [each.counted() for each in allowed], pending)
        if pending is not None and fitting == [pending.after]:
            newest = None
            if pending.after.rows is not None:
                newest = server.call("describe_asset", name="t")["version"]
                assert newest not in self.versions
            self.acknowledged(pending, newest)

    def check_versions(self, server: Server) -> None:
        """Every acknowledged version is still read as it was."""
        for version, state in self.versions.items():
            table = f"t VERSION AS OF {version}"
            assert counted(server, table) == state.counted(), version


def observed(server: Server) -> tuple[list[list[Any]] | None, int]:
    """What is there now: the answer to COUNTED, and the number of rejected rows."""
    names = {asset["name"] for asset in server.call("list_assets")["assets"]}
    rejects = 0
    if "default.t__rejects" in names:
        [[rejects]] = server.call("query_dataset", sql="SELECT count(*) FROM t__rejects")["rows"]
    return counted(server, "t") if "default.t" in names else None, rejects


def counted(server: Server, table: str) -> list[list[Any]]:
    """The answer to COUNTED; sums as text, whatever type they come in."""
    answer = server.call("query_dataset", sql=COUNTED.format(table), max_rows=1000)
    assert not answer["truncated"]
    return [[op, count, str(total), keys] for op, count, total, keys in answer["rows"]]
