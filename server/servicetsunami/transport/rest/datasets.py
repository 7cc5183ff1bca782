"""Datasets: rows and files come in, statements are answered."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from servicetsunami.domain.dataset import WriteMode
from servicetsunami.services.answers import AnyObject, IngestAnswer, QueryAnswer
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.progress import Report, silent
from servicetsunami.services.queries import Question
from servicetsunami.services.sources import LocalSource
from servicetsunami.transport.problems import InvalidArguments
from servicetsunami.transport.rest.admitted import CallOf, RestCall
from servicetsunami.transport.rest.arguments import Body, Name, Whole
from servicetsunami.transport.rest.assets import Kind, does, router_of
from servicetsunami.transport.rest.uploads import Upload

KIND: Final = Kind(
    name="dataset",
    finds=lambda services: services.datasets,
    deletes=lambda services: services.datasets,
)
_Work = Callable[[Report], Awaitable[IngestAnswer]]
_INGEST: Final = does("ingest_dataset", "dataset")
Mode = Literal["create", "append", "overwrite", "merge"]
Format = Literal["csv", "tsv", "json", "ndjson", "parquet", "arrow", "excel"]
Keys = Annotated[list[str], Field(description="Key columns for merge.", max_length=100)]
Options = Annotated[
    AnyObject,
    Field(description="How to read, and idempotency_key: see the tool ingest_dataset."),
]


class Writing(Body):
    """What is to be done with rows."""

    mode: Mode = Field(default="create", examples=["append"])
    keys: Keys | None = None
    format: Format | None = None
    options: Options | None = None


class Rows(Writing):
    """Where rows come from, and what is to be done with them."""

    source: str | list[AnyObject] = Field(
        description="The rows as a list of objects, databricks:catalog.schema.table, or the path "
        "of a file that this server may read.",
        examples=[[{"city": "Bern", "sold": 3}]],
    )


class NewDataset(Rows):
    """Rows for a dataset; without a name it is called after the source."""

    name: Annotated[str, Field(max_length=260, examples=["sales"])] | None = None


class Statement(Body):
    """One read-only statement of Databricks SQL, or the cursor of an earlier answer."""

    sql: str = Field(default="", max_length=20_000, examples=["SELECT * FROM sales"])
    parameters: dict[str, str | int | float | bool | None] | None = Field(
        default=None, description="Values for the :name parameters of the statement."
    )
    run_on: Literal["auto", "local", "databricks"] = "auto"
    max_rows: Whole = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, description="From a truncated answer: the next page.")
    timeout_s: float | None = Field(default=None, ge=1, le=600)
    response_format: Literal["concise", "detailed"] = "concise"


class _Form(Writing):
    name: Annotated[str, Field(max_length=260)] | None = None


UPLOAD_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "CSV, TSV, JSON, NDJSON, Parquet, Arrow or Excel, also compressed.",
        },
        "name": {"type": "string", "maxLength": 260, "description": "Default: the file's."},
        "mode": {"type": "string", "enum": ["create", "append", "overwrite", "merge"]},
        "keys": {"type": "array", "items": {"type": "string"}, "maxItems": 100},
        "format": {
            "type": "string",
            "enum": ["csv", "tsv", "json", "ndjson", "parquet", "arrow", "excel"],
        },
        "options": {"type": "object", "additionalProperties": True, "description": "As JSON."},
    },
}


def datasets(prefix: str) -> APIRouter:
    """The routes of datasets below a prefix."""
    router = router_of(KIND, f"{prefix}/datasets", "datasets")

    @router.post("", name="create_dataset", openapi_extra=_INGEST)
    async def create(call: CallOf, rows: NewDataset, response: Response) -> IngestAnswer:
        """Store rows as a dataset, or as a new version of one; earlier versions stay readable."""
        return await _store(call, rows, rows.name, response)

    @router.put("/{name}", name="update_dataset", openapi_extra=_INGEST)
    async def update(call: CallOf, name: Name, rows: Rows, response: Response) -> IngestAnswer:
        """Store rows in the dataset of that name, as `mode` says."""
        return await _store(call, rows, name, response)

    @router.post(
        "/ingest",
        name="ingest_file",
        openapi_extra=_INGEST
        | {
            "requestBody": {
                "required": True,
                "content": {"multipart/form-data": {"schema": UPLOAD_SCHEMA}},
            }
        },
    )
    async def ingest(call: CallOf, request: Request, response: Response) -> IngestAnswer:
        """Upload a file, and store it as a dataset, or as a new version of one."""
        return await _ingest(call, request, response)

    @router.post("/query", name="query_datasets", openapi_extra=does("query_dataset"))
    async def query(call: CallOf, statement: Statement) -> QueryAnswer:
        """Answer one read-only statement, page by page; see the reference of SQL."""
        return await _ask(call, statement)

    return router


async def _store(call: RestCall, rows: Rows, name: str | None, response: Response) -> IngestAnswer:
    request = IngestRequest(
        source=rows.source,
        name=name,
        mode=WriteMode(rows.mode),
        keys=tuple(rows.keys or ()),
        format=rows.format,
        options=rows.options or {},
    )
    work = partial(call.services.datasets.ingest, call.caller, request)
    return await _finish(call, request, work, response)


async def _finish(
    call: RestCall, request: IngestRequest, work: _Work, response: Response
) -> IngestAnswer:
    target = request.target(call.caller.catalog)
    about = {"name": str(target), "mode": request.mode.value}
    done = await call.finish(work, tool="ingest_dataset", about=about)
    if isinstance(done, IngestAnswer):
        return done
    call.accepted(response, done.id)
    return IngestAnswer.going_on(done)


async def _ingest(call: RestCall, http: Request, response: Response) -> IngestAnswer:
    upload = await call.desk.uploads.take(http)
    try:
        form = _read(upload)
        call.arguments.update(form.model_dump(exclude_none=True))
        request = IngestRequest(
            source=upload.filename,
            name=form.name,
            mode=WriteMode(form.mode),
            keys=tuple(form.keys or ()),
            format=form.format,
            options=form.options or {},
        )
        source = LocalSource(path=upload.path, rows=None, options=request.reader_options)

        async def work(report: Report) -> IngestAnswer:
            # The work may outlast the call, and the file has to be there as long.
            try:
                return await call.services.datasets.ingest(
                    call.caller, request, report, source=source
                )
            finally:
                await upload.remove()

        return await _finish(call, request, work, response)
    except BaseException:
        await upload.remove()
        raise


def _read(upload: Upload) -> _Form:
    """The fields of the form, as a body in JSON would have them."""
    given: dict[str, Any] = {}
    for name, values in upload.fields.items():
        if name == "keys":
            given[name] = values
        elif len(values) > 1:
            raise InvalidArguments(f"The form has more than one {name[:100]!r}.")
        else:
            given[name] = values[0]
    try:
        if "options" in given:
            given["options"] = _JSON.validate_json(given["options"])
        return _Form.model_validate(given)
    except ValidationError as error:
        raise InvalidArguments.of(error.errors()) from error


_JSON: Final = TypeAdapter[Any](dict[str, JsonValue])


async def _ask(call: RestCall, statement: Statement) -> QueryAnswer:
    question = Question(
        sql=statement.sql,
        parameters=statement.parameters or {},
        rows_max=statement.max_rows,
        timeout_s=statement.timeout_s,
        form=statement.response_format,
        run_on=statement.run_on,
    )
    if statement.cursor is not None:
        return await call.services.queries.next_page(call.caller, statement.cursor, question)
    return await call.services.queries.ask(call.caller, question, silent)
