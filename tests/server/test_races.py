"""Eight servers on one data directory, all at the same moment on the same dataset."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server.processes import Server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmeasured")]
_SERVERS = 8
Reply = tuple[bool, dict[str, Any] | str]
"""Whether the call succeeded, and its answer or what the model reads."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    data = tmp_path_factory.mktemp("races")
    with ThreadPoolExecutor(_SERVERS) as pool:
        started = list(pool.map(lambda _: Server(data / "data", data), range(_SERVERS)))
        yield started
        ends = list(pool.map(Server.close, started))
    assert [code for code, _ in ends] == [0] * _SERVERS
    shutil.rmtree(data)


def at_once(servers: list[Server], call: Callable[[Server, int], Reply]) -> list[Reply]:
    with ThreadPoolExecutor(len(servers)) as pool:
        return list(pool.map(call, servers, range(len(servers))))


def ingest(server: Server, **arguments: Any) -> Reply:
    return reply(server, "ingest_dataset", arguments)


def reply(server: Server, tool: str, arguments: dict[str, Any]) -> Reply:
    result = server.request("tools/call", {"name": tool, "arguments": arguments})["result"]
    if not result.get("isError"):
        return True, result["structuredContent"]
    text = result["content"][0]["text"]
    assert "Error executing" not in text
    return False, text


def rows(server: Server, sql: str) -> list[list[Any]]:
    return server.call("query_dataset", sql=sql, max_rows=1000)["rows"]


def test_of_eight_that_create_the_same_name_one_wins_and_the_others_are_told(
    servers: list[Server],
) -> None:
    replies = at_once(servers, lambda server, n: ingest(server, source=[{"n": n}], name="made"))

    assert Counter(ok for ok, _ in replies) == {True: 1, False: 7}
    assert all("exists already" in str(text) for ok, text in replies if not ok)
    winner = [ok for ok, _ in replies].index(True)
    assert rows(servers[0], "SELECT n FROM made") == [[winner]]


def test_eight_that_append_to_a_name_that_none_has_yet_all_append(servers: list[Server]) -> None:
    replies = at_once(
        servers, lambda server, n: ingest(server, source=[{"n": n}], name="grown", mode="append")
    )

    assert [text for ok, text in replies if not ok] == []
    assert rows(servers[0], "SELECT n FROM grown ORDER BY n") == [[n] for n in range(_SERVERS)]


@pytest.mark.parametrize("mode", ["create", "append"])
def test_one_idempotency_key_in_eight_servers_is_applied_once(
    servers: list[Server], mode: str
) -> None:
    write = {
        "source": [{"n": 1}],
        "name": f"once_{mode}",
        "mode": mode,
        "options": {"idempotency_key": "k"},
    }
    for _ in range(2):
        replies = at_once(servers, lambda server, _: ingest(server, **write))

        assert [text for ok, text in replies if not ok] == []
        assert rows(servers[0], f"SELECT count(*) FROM once_{mode}") == [[1]]


def test_merges_of_one_key_follow_each_other(servers: list[Server]) -> None:
    ingest(servers[0], source=[{"k": 0, "n": -1}], name="merged")
    replies = at_once(
        servers,
        lambda server, n: ingest(
            server,
            source=[{"k": 0, "n": n}, {"k": n + 1, "n": n}],
            name="merged",
            mode="merge",
            keys=["k"],
        ),
    )

    assert [text for ok, text in replies if not ok] == []
    assert rows(servers[0], "SELECT count(*), count(DISTINCT k) FROM merged") == [[9, 9]]
    versions = servers[1].call("describe_asset", name="merged")["versions"]
    assert len(versions) == 1 + _SERVERS
    for row_count, version in enumerate(sorted(each["version"] for each in versions), 1):
        table = f"merged VERSION AS OF {version}"
        assert rows(servers[2], f"SELECT count(*) FROM {table}") == [[row_count]]


def change(server: Server, kind: int, row: dict[str, int]) -> Reply:
    """One of five calls about the dataset `mixed`."""
    if kind == 0:
        return reply(server, "delete_asset", {"name": "mixed", "confirm": "mixed"})
    if kind == 1:
        return reply(server, "query_dataset", {"sql": "SELECT count(*) FROM mixed"})
    mode = ("overwrite", "merge", "append")[kind - 2]
    keys = ["k"] if mode == "merge" else []
    return ingest(server, source=[row], name="mixed", mode=mode, keys=keys)


def test_all_kinds_of_changes_at_once_fail_in_known_ways_and_leave_a_whole_dataset(
    servers: list[Server],
) -> None:
    def changes(server: Server, n: int) -> Reply:
        replies = [
            change(server, (n + turn) % 5, {"k": n * 100 + turn, "n": n}) for turn in range(5)
        ]
        known = ("No dataset", "no dataset", "meanwhile", "gone", "no longer", "Call again")
        unknown = [
            text for ok, text in replies if not ok and not any(each in str(text) for each in known)
        ]
        return not unknown, str(unknown)

    ingest(servers[0], source=[{"k": 0, "n": -1}], name="mixed")

    assert [text for ok, text in at_once(servers, changes) if not ok] == []

    ok, answer = reply(servers[0], "describe_asset", {"name": "mixed"})
    if ok:
        assert isinstance(answer, dict)
        [[count, distinct]] = rows(servers[0], "SELECT count(*), count(DISTINCT k) FROM mixed")
        assert (count, distinct) == (answer["row_count"], answer["row_count"])
    ingest(servers[0], source=[{"k": 1, "n": 1}], name="mixed", mode="overwrite")
    assert rows(servers[7], "SELECT k FROM mixed") == [[1]]
