"""Where a question is answered while other calls change what there is."""

from collections.abc import Iterable

from servicetsunami.app import App
from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import WriteMode
from servicetsunami.engines.sql.engine import Admitted, AdmittedTable
from servicetsunami.services.catalog import Catalog, TableAsked, TableFound
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.progress import silent
from servicetsunami.services.routing import Router
from servicetsunami.stores.tables.snapshot import TableReader


class Overtaken(Catalog):
    """A catalog in which somebody makes the table right after it was looked for."""

    def __init__(self, app: App) -> None:
        super().__init__(app.metadata, TableReader(), data_dir=app.settings.data_dir)
        self._app = app

    async def look(
        self, caller: Caller, asked: Iterable[TableAsked | None]
    ) -> list[TableFound | None]:
        found = await super().look(caller, asked)
        if found == [None]:
            request = IngestRequest(
                source=[{"n": 1}],
                name="late",
                mode=WriteMode.CREATE,
                keys=(),
                format=None,
                options={},
            )
            await self._app.services.datasets.ingest(caller, request, silent)
        return found


async def test_a_table_that_is_made_while_it_is_looked_for_is_read_here(app: App) -> None:
    admitted = Admitted(
        kind="select",
        tables=(AdmittedTable(name="default.late", version=None, timestamp=None, view="t0"),),
        parameters=(),
        schema=None,
        pattern=None,
    )

    route = await Router(Overtaken(app)).route(app.caller(), admitted, "auto")

    assert (route.place, [str(table.dataset.name) for table in route.here]) == (
        "local",
        ["default.late"],
    )
