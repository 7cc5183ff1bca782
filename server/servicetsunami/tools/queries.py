"""The tool that answers questions."""

from typing import Annotated, Literal

from pydantic import Field

from servicetsunami.services.answers import QueryAnswer
from servicetsunami.services.queries import Question
from servicetsunami.tools.context import CallOf

Sql = Annotated[
    str, Field(description="One read-only Databricks SQL statement.", max_length=20_000)
]
Parameters = Annotated[
    dict[str, str | int | float | bool | None],
    Field(description="Values for the :name parameters of the statement."),
]
RunOn = Annotated[
    Literal["auto", "local", "databricks"],
    Field(description="Where to compute. auto: here what is here, else on Databricks."),
]
MaxRows = Annotated[
    int, Field(description="Rows on one page at most; fewer when they are long.", ge=1, le=1000)
]
Cursor = Annotated[
    str, Field(description="From a truncated answer: fetches its next page; sql is then ignored.")
]
TimeoutS = Annotated[
    float, Field(description="Seconds after which the query is stopped.", gt=0, le=600)
]
Form = Annotated[
    Literal["concise", "detailed"],
    Field(description="concise: rows as arrays. detailed: rows as objects, and longer pages."),
]


async def query_dataset(  # noqa: PLR0917 - the order is part of the published surface
    call: CallOf,
    sql: Sql = "",
    parameters: Parameters | None = None,
    run_on: RunOn = "auto",
    max_rows: MaxRows = 100,
    cursor: Cursor | None = None,
    timeout_s: TimeoutS | None = None,
    response_format: Form = "concise",
) -> QueryAnswer:
    """Answer a question about datasets with one read-only Databricks SQL statement.

    Name tables as table, schema.table or catalog.schema.table; list_assets gives the names and
    describe_asset the columns. A table of another catalog, on Databricks, needs its full name.
    Use :name with `parameters` for values. Travel in time with `FROM t VERSION AS OF 3` or
    `TIMESTAMP AS OF '2026-01-31'`. SHOW TABLES and DESCRIBE work too.
    A long result comes in pages: `truncated` says so, `row_count` is the total, and a call with
    `cursor` alone brings the next page (kept for an hour). Prefer aggregates to many pages.
    """
    question = Question(
        sql=sql,
        parameters=parameters or {},
        rows_max=max_rows,
        timeout_s=timeout_s,
        form=response_format,
        run_on=run_on,
    )
    if cursor is not None:
        return await call.services.queries.next_page(call.caller, cursor, question)
    return await call.services.queries.ask(call.caller, question, call.report)
