"""The tools that save and run notebooks."""

from typing import Annotated

from pydantic import Field

from servicetsunami.services.notebooks import Form
from servicetsunami.services.run_answers import RunAnswer, SavedNotebook
from servicetsunami.services.run_plans import RunOn, RunRequest
from servicetsunami.tools.context import CallOf

NotebookName = Annotated[str, Field(description="name or folder/name.", max_length=1000)]
Content = Annotated[
    str, Field(description="Databricks SOURCE text, or .ipynb JSON; plain Python is one cell.")
]
Format = Annotated[
    Form, Field(description="auto keeps the text byte for byte; the others convert it.")
]
BaseRevision = Annotated[
    int,
    Field(description="Save only if it is still at this revision; 0: only if it is new.", ge=0),
]
Parameters = Annotated[
    dict[str, str], Field(description="For dbutils.widgets and the cell tagged `parameters`.")
]
Place = Annotated[RunOn, Field(description="Where to run it.")]
TimeoutS = Annotated[
    float, Field(description="Seconds after which the run is stopped.", gt=0, le=86400)
]


async def save_notebook(
    call: CallOf,
    name: NotebookName,
    content: Content,
    format: Format = "auto",
    base_revision: BaseRevision | None = None,
) -> SavedNotebook:
    """Create a notebook, or save a new revision of it; earlier revisions are kept.

    Cells may be Python, %sql, %md, %sh, %run ./other and %pip, as on Databricks. The same text
    again changes nothing.
    """
    return await call.services.notebooks.save(call.caller, name, content, format, base_revision)


async def run_notebook(  # noqa: PLR0917 - the order is part of the published surface
    call: CallOf,
    name: NotebookName = "",
    # Not `str | None`: the SDK would read .ipynb text as JSON, and hand an object over.
    content: Content = "",
    parameters: Parameters | None = None,
    run_on: Place = "auto",
    timeout_s: TimeoutS | None = None,
) -> RunAnswer:
    """Run a saved notebook by `name`, or the text in `content`, in an isolated Python kernel.

    Code finds dbutils (widgets, notebook, fs), display, spark.sql, and `lake`: lake.sql(text)
    gives a pandas frame, lake.write(frame, "schema.table", mode="append") a new version of a
    dataset. There is no network. The answer has each cell's outputs, and `exit_value` of
    dbutils.notebook.exit. A run that takes longer than 20 s goes on: follow it with get_run.
    """
    request = RunRequest(
        name=name or None,
        content=content or None,
        parameters=parameters or {},
        run_on=run_on,
        timeout_s=timeout_s,
    )
    return await call.services.runs.run_notebook(
        call.caller, request, call.report, patience_s=call.patience_s
    )
