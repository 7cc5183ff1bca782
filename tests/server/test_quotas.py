"""What a tenant may keep: what is too much is refused, and leaves no trace."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.app.costs import at_once
from servicetsunami.domain.caller import LOCAL_TENANT
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.server.asking import ask, call, failure

NOTEBOOK = "# Databricks notebook source\nprint(1)\n"


@asynccontextmanager
async def served(folder: Path, zygote: Zygote, **quotas: int) -> AsyncGenerator[tuple[App, Client]]:
    settings = Settings(data_dir=folder, allowed_roots=()).model_copy(update=quotas)
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        yield app, client


def rows(count: int) -> list[dict[str, int]]:
    return [{"n": n} for n in range(count)]


def files_of(folder: Path) -> set[Path]:
    found = (folder / "tenants" / LOCAL_TENANT / "tables").rglob("*.parquet")
    return {path for path in found if path.is_file()}


async def test_rows_beyond_the_quota_are_refused_before_anything_is_committed(
    tmp_path: Path,
    zygote: Zygote,
) -> None:
    async with served(tmp_path, zygote, quota_rows=10) as (_, client):
        await call(client, "ingest_dataset", source=rows(6), name="t")
        before = files_of(tmp_path)

        added = await failure(client, "ingest_dataset", source=rows(5), name="t", mode="append")
        new = await failure(client, "ingest_dataset", source=rows(5), name="u")

        for said in (added, new):
            assert said.startswith(
                "Your datasets would have 11 rows with these, and 10 are allowed: nothing was kept."
            )
        assert files_of(tmp_path) == before
        assert await ask(client, "SELECT count(*) FROM t") == [[6]]
        assert (await call(client, "list_assets"))["total"] == 1
        await call(client, "ingest_dataset", source=rows(4), name="t", mode="append")
        assert await ask(client, "SELECT count(*) FROM t VERSION AS OF 0") == [[6]]
        assert await ask(client, "SELECT count(*), count(DISTINCT n) FROM t") == [[10, 6]]
        full = await failure(client, "ingest_dataset", source=rows(1), name="u")
        assert "10 rows, and 10 are allowed" in full
        await call(client, "delete_asset", kind="dataset", name="t", confirm="t")
        await call(client, "ingest_dataset", source=rows(10), name="u")


async def test_all_versions_count_as_storage_and_nothing_is_walked_through(
    tmp_path: Path,
    zygote: Zygote,
) -> None:
    async with served(tmp_path, zygote) as (_, client):
        for mode in ("create", "overwrite", "overwrite"):
            await call(client, "ingest_dataset", source=rows(100), name="t", mode=mode)
        await call(client, "save_notebook", name="n", content=NOTEBOOK)
        usage = await call(client, "tenant_usage")

    stored = sum(path.stat().st_size for path in files_of(tmp_path))
    assert usage["storage_bytes"] == stored + len(NOTEBOOK)
    assert usage["figures"]["storage_bytes"]["value"] == usage["storage_bytes"]
    assert usage["assets"][0]["size_bytes"] == stored // 3
    assert "quotas" not in usage
    assert "budget" not in usage
    assert "cost" not in usage


async def test_storage_beyond_the_quota_is_refused_for_data_models_and_notebooks(
    tmp_path: Path,
    zygote: Zygote,
) -> None:
    # Numbers that cannot be packed: 8 bytes each.
    wide = [{"n": (n * 2654435761) % 2**61, "m": (n * 40503) % 2**59} for n in range(40_000)]
    async with served(tmp_path, zygote, quota_storage_mb=1) as (_, client):
        await call(client, "ingest_dataset", source=wide, name="t")
        before = files_of(tmp_path)

        said = await failure(client, "ingest_dataset", source=wide, name="t", mode="append")

        assert "1.0 MiB are allowed: nothing was kept." in said
        assert "All versions of a dataset count." in said
        assert files_of(tmp_path) == before
        long = NOTEBOOK + "# x\n" * 200_000
        said = await failure(client, "save_notebook", name="n", content=long)
        assert "1.0 MiB are allowed" in said
        usage = await call(client, "tenant_usage")
        assert usage["quotas"] == {"storage_bytes": 2**20}
        assert usage["assets"][1]["count"] == 0


async def test_who_is_full_already_is_told_before_anything_is_read(
    tmp_path: Path, zygote: Zygote
) -> None:
    wide = [{"n": (n * 2654435761) % 2**61, "m": (n * 40503) % 2**59} for n in range(80_000)]
    async with served(tmp_path, zygote) as (_, client):
        await call(client, "ingest_dataset", source=wide, name="t")

    async with served(tmp_path, zygote, quota_storage_mb=1) as (_, client):
        said = await failure(client, "ingest_dataset", source=rows(1), name="u")
    assert said.startswith("You would keep 1.")
    assert "MiB, and 1.0 MiB are allowed: nothing was kept." in said


async def test_assets_of_each_kind_are_counted_when_one_more_is_made(
    tmp_path: Path, zygote: Zygote
) -> None:
    task = {"task_key": "t", "notebook_task": {"notebook_path": "n1"}}
    quotas = {f"quota_{kind}": 1 for kind in ("datasets", "notebooks", "jobs", "indexes")}
    async with served(tmp_path, zygote, **quotas | {"quota_datasets": 2}) as (_, client):
        await call(client, "save_notebook", name="n1", content=NOTEBOOK)
        await call(client, "save_notebook", name="n1", content=NOTEBOOK + "# 2\n")
        said = await failure(client, "save_notebook", name="n2", content=NOTEBOOK)
        assert said == (
            "You have 1 notebooks, and 1 are allowed: nothing was kept. Delete one with "
            "delete_asset, or have the quota of notebooks raised."
        )
        await call(client, "create_job", name="j1", tasks=[task])
        await call(client, "create_job", name="j1", tasks=[{**task, "max_retries": 1}])
        said = await failure(client, "create_job", name="j2", tasks=[task])
        assert "You have 1 jobs, and 1 are allowed" in said
        await call(client, "index_documents", index="i1", source=[{"id": "a", "text": "b"}])
        said = await failure(
            client, "index_documents", index="i2", source=[{"id": "a", "text": "b"}]
        )
        assert "You have 1 indexes, and 1 are allowed" in said
        await call(client, "ingest_dataset", source=rows(1), name="t")
        await call(client, "ingest_dataset", source=rows(1), name="t", mode="append")
        said = await failure(client, "ingest_dataset", source=rows(1), name="u")
        assert "You have 2 datasets, and 2 are allowed" in said
        assert (await call(client, "list_assets"))["total"] == 2


async def test_a_quota_of_one_tenant_takes_nothing_from_another(
    tmp_path: Path, zygote: Zygote
) -> None:
    async with served(tmp_path, zygote, quota_rows=5) as (app, client):
        await call(client, "ingest_dataset", source=rows(5), name="t")
        other = replace(app.caller(), tenant="other")
        async with Client(LakeServer(app.services, lambda: other)) as stranger:
            await call(stranger, "ingest_dataset", source=rows(5), name="t")


@pytest.mark.parametrize(
    ("auth", "wanted", "workers", "expected"),
    [(False, 0, 4, 0), (True, 0, 4, 3), (True, 0, 1, 1), (True, 2, 4, 2), (False, 1, 4, 1)],
)
def test_where_there_are_tenants_one_place_is_always_left_to_the_others(
    auth: bool, wanted: int, workers: int, expected: int
) -> None:
    assert at_once(Settings(auth=auth), wanted, workers) == expected
