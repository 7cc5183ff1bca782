"""One way to ask the engine in tests: admit, hand out snapshots, run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from servicetsunami.domain.dataset import Snapshot
from servicetsunami.engines.sql.engine import PRELOAD, Ask, PageOptions, ResultInfo, SqlEngine
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.errors import NotFound

NOW = datetime(2024, 1, 1, tzinfo=UTC)


class Asking:
    """An engine over a few tables, all in one catalog named `local`."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.tables: dict[str, Snapshot] = {}
        self.zygote = Zygote(preload=PRELOAD)
        self.engine = SqlEngine(zygote=self.zygote, temp_dir=directory / "tmp", **options)

    async def ask(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        tenant: str = "local",
        timeout_s: float = 20.0,
        page: PageOptions | None = None,
        **more: Any,
    ) -> ResultInfo:
        """Run the statement with the tables that it names."""
        question = self.question(
            sql, parameters, tenant=tenant, timeout_s=timeout_s, page=page, **more
        )
        async with self.engine.session(question) as session:
            begun = await session.begin()
            if begun.result is not None:
                return begun.result
            tables = begun.admitted.tables
            return await session.run({t.view: self._snapshot(t.name) for t in tables})

    def question(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        tenant: str = "local",
        timeout_s: float = 20.0,
        page: PageOptions | None = None,
        **more: Any,
    ) -> Ask:
        """What is asked, with a new place for the result."""
        return Ask(
            tenant=tenant,
            catalog="local",
            sql=sql,
            parameters=parameters or {},
            result_path=self.directory / f"{uuid4().hex}.arrow",
            timeout_s=timeout_s,
            page=page or PageOptions(),
            **more,
        )

    def _snapshot(self, name: str) -> Snapshot:
        if name not in self.tables:
            raise NotFound.dataset(name, list(self.tables))
        return self.tables[name]

    async def aclose(self) -> None:
        """End all processes."""
        self.engine.close()
        await self.zygote.aclose()
