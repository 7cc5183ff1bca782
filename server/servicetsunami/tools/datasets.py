"""The tool that brings data in."""

from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from servicetsunami.domain.dataset import WriteMode
from servicetsunami.services.answers import AnyJson, IngestAnswer
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.tools.context import CallOf

Source = Annotated[
    str | list[dict[str, AnyJson]],
    Field(
        description="Path or https address of a file, the rows as a list of objects, or "
        "databricks:catalog.schema.table to copy from there."
    ),
]
Name = Annotated[
    str,
    Field(description="table or schema.table. Default: from the file's name.", max_length=260),
]
Mode = Annotated[
    Literal["create", "append", "overwrite", "merge"],
    Field(description="create fails if the dataset exists; merge updates and inserts by `keys`."),
]
Keys = Annotated[
    list[str], Field(description="Key columns for merge; together they identify a row.")
]
Format = Annotated[
    Literal["csv", "tsv", "json", "ndjson", "parquet", "arrow", "excel"],
    Field(description="Only when detection by content goes wrong."),
]
Options = Annotated[
    dict[str, AnyJson],
    Field(
        description="How to read: delimiter, quote, header, encoding, date_format, "
        "timestamp_format, sheet, null_values, skip_rows, columns {name: type}. "
        "idempotency_key: the same key is never applied twice."
    ),
]


async def ingest_dataset(  # noqa: PLR0917 - the order is part of the published surface
    call: CallOf,
    source: Source,
    name: Name | None = None,
    mode: Mode = "create",
    keys: Keys | None = None,
    format: Format | None = None,
    options: Options | None = None,
) -> IngestAnswer:
    """Store a file or rows as a dataset: a versioned Delta table that query_dataset can read.

    Reads CSV, TSV, JSON, NDJSON, Parquet, Arrow and Excel, also in gzip, zstd or a zip of one
    file. Rows that could not be taken are kept in `rejects_dataset`. Every change is a new
    version; earlier ones stay readable. Check `warnings` before you rely on the types; to
    correct them, ingest again with mode overwrite and options {"columns": {"name": "type"}}.
    """
    request = IngestRequest(
        source=source,
        name=name,
        mode=WriteMode(mode),
        keys=tuple(keys or ()),
        format=format,
        options=options or {},
    )
    target = request.target(call.caller.catalog)
    done = await call.finish(
        partial(call.services.datasets.ingest, call.caller, request),
        tool="ingest_dataset",
        about={"name": str(target), "mode": mode},
    )
    return done if isinstance(done, IngestAnswer) else IngestAnswer.going_on(done)
