"""Files that break off on their way, folders that are not empty, and names with odd letters."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from servicetsunami.errors import RemoteNotFound, RemoteRefused, RemoteUnavailable
from servicetsunami.gateway.config import Given, resolve
from servicetsunami.gateway.workspace import Workspace, open_workspace
from tests.fakes.databricks import FakeWorkspace, Fault

VOLUME = "/Volumes/main/default/v"
FILES = "/api/2.0/fs/files"
ODD = f"{VOLUME}/a b/ü+%25#?.bin"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path_factory.mktemp("workspace")) as fake:
        fake.execute("CREATE VOLUME main.default.v")
        yield fake


@pytest.fixture
def fake(running: FakeWorkspace) -> Iterator[FakeWorkspace]:
    yield running
    running.faults.clear()
    running.state.denied.clear()


@pytest.fixture
async def workspace(fake: FakeWorkspace) -> AsyncIterator[Workspace]:
    given = Given(host=fake.url, token=fake.token)
    config = resolve(given, requests_per_s=1000, user_agent="test")
    opened = open_workspace(replace(config, call_timeout_s=2.0, deadline_s=4.0))
    yield opened
    await opened.files.remove_tree(VOLUME + "/t")
    await opened.aclose()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(bytes(range(256)) * 10_000)
    return path


def there(fake: FakeWorkspace, path: str) -> Path:
    return fake.state.volume_path(path)


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


async def test_odd_letters_in_a_name_arrive_as_they_are(
    fake: FakeWorkspace, workspace: Workspace, source: Path, tmp_path: Path
) -> None:
    await workspace.files.upload(ODD, source, deadline_s=10)
    await workspace.files.download(ODD, tmp_path / "target", deadline_s=10)

    assert same(there(fake, ODD), source)
    assert same(tmp_path / "target", source)
    assert [(e.path, e.size_bytes) for e in await workspace.files.entries(f"{VOLUME}/a b")] == [
        (ODD, 2_560_000)
    ]


async def test_an_upload_replaces_what_was_there_and_may_be_empty(
    workspace: Workspace, source: Path, tmp_path: Path
) -> None:
    path, empty = f"{VOLUME}/t/file", tmp_path / "empty"
    empty.touch()
    await workspace.files.upload(path, source, deadline_s=10)
    await workspace.files.upload(path, empty, deadline_s=10)

    assert await workspace.files.size(path) == 0


async def test_an_upload_whose_answer_is_lost_is_sent_again(
    fake: FakeWorkspace, workspace: Workspace, source: Path
) -> None:
    lost = fake.faults.add(Fault("PUT", FILES, reset=True, after=True))
    await workspace.files.upload(f"{VOLUME}/t/lost", source, deadline_s=10)

    assert lost.hits == 1
    assert same(there(fake, f"{VOLUME}/t/lost"), source)


async def test_an_upload_that_arrived_in_part_is_sent_again(
    fake: FakeWorkspace, workspace: Workspace, source: Path
) -> None:
    said_done = fake.faults.add(Fault("PUT", FILES, status=204))
    await workspace.files.upload(f"{VOLUME}/t/part", source, deadline_s=10)

    assert said_done.hits == 1
    assert await workspace.files.size(f"{VOLUME}/t/part") == 2_560_000


async def test_an_upload_that_never_arrives_says_how_much_did(
    fake: FakeWorkspace, workspace: Workspace, source: Path
) -> None:
    fake.faults.add(Fault("PUT", FILES, status=204, times=None))
    with pytest.raises(RemoteUnavailable, match="0 of 2560000 bytes"):
        await workspace.files.upload(f"{VOLUME}/t/never", source, deadline_s=1)


async def test_an_upload_that_is_not_permitted_is_not_repeated(
    fake: FakeWorkspace, workspace: Workspace, source: Path
) -> None:
    path = f"{VOLUME}/t/denied"
    fake.state.denied.add(("WRITE_VOLUME", path))
    before = len(fake.requests)
    with pytest.raises(Exception, match="WRITE_VOLUME"):
        await workspace.files.upload(path, source, deadline_s=10)

    assert [r.path for r in fake.requests[before:] if r.path.startswith(FILES)] == [FILES + path]


async def test_a_download_that_breaks_off_is_begun_anew(
    fake: FakeWorkspace, workspace: Workspace, source: Path, tmp_path: Path
) -> None:
    path, target = f"{VOLUME}/t/down", tmp_path / "target"
    await workspace.files.upload(path, source, deadline_s=10)
    broken = fake.faults.add(Fault("GET", FILES, half_body=True, after=True))
    await workspace.files.download(path, target, deadline_s=10)

    assert broken.hits == 1
    assert same(target, source)


async def test_a_file_that_is_not_there_is_not_found_and_may_be_deleted(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = f"{VOLUME}/none"
    with pytest.raises(RemoteNotFound):
        await workspace.files.download(path, tmp_path / "target", deadline_s=10)

    assert await workspace.files.size(path) is None
    await workspace.files.delete(path)
    await workspace.files.delete_directory(path)
    await workspace.files.remove_tree(path)


async def test_a_delete_whose_answer_is_lost_is_a_success(
    fake: FakeWorkspace, workspace: Workspace, source: Path
) -> None:
    path = f"{VOLUME}/t/gone"
    await workspace.files.upload(path, source, deadline_s=10)
    fake.faults.add(Fault("DELETE", FILES, reset=True, after=True))
    await workspace.files.delete(path)

    assert not there(fake, path).exists()


async def test_a_tree_is_removed_with_all_its_folders(
    fake: FakeWorkspace, workspace: Workspace, source: Path
) -> None:
    for name in ("a", "deep/b", "deep/er/c"):
        await workspace.files.upload(f"{VOLUME}/t/{name}", source, deadline_s=10)
    with pytest.raises(RemoteRefused, match="not empty"):
        await workspace.files.delete_directory(f"{VOLUME}/t")
    await workspace.files.remove_tree(f"{VOLUME}/t")

    assert not there(fake, f"{VOLUME}/t").exists()


async def test_a_long_folder_is_listed_whole(fake: FakeWorkspace, workspace: Workspace) -> None:
    folder = there(fake, f"{VOLUME}/t")
    folder.mkdir(exist_ok=True)
    for n in range(1_001):
        (folder / f"{n:04}").touch()

    entries = await workspace.files.entries(f"{VOLUME}/t")

    assert [each.path for each in entries] == [f"{VOLUME}/t/{n:04}" for n in range(1_001)]
    for each in folder.iterdir():
        each.unlink()


async def test_a_listing_that_lacks_a_path_is_no_answer(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    body = {"contents": [{"name": "x"}]}
    fake.faults.add(Fault(path="/api/2.0/fs/directories", status=200, body=body))
    with pytest.raises(RemoteUnavailable, match="lacks 'path'"):
        await workspace.files.entries(VOLUME)
