"""Notebooks: saved, executed, followed."""

from typing import Final

from fastapi import APIRouter, Response
from pydantic import Field

from servicetsunami.services.notebooks import Form
from servicetsunami.services.run_answers import RunAnswer, RunsAnswer, SavedNotebook
from servicetsunami.transport.rest.admitted import CallOf, RestCall
from servicetsunami.transport.rest.arguments import Body, Cursor, Name, Revision
from servicetsunami.transport.rest.assets import Kind, does, router_of
from servicetsunami.transport.rest.runs import Execution, Since, State, execute, list_runs

KIND: Final = Kind(
    name="notebook",
    finds=lambda services: services.notebooks,
    deletes=lambda services: services.notebooks,
)
_SAVE: Final = does("save_notebook", "notebook")


class Text(Body):
    """The text of a notebook."""

    content: str = Field(
        description="Databricks SOURCE text, or .ipynb JSON; plain Python is one cell.",
        examples=["print('hello')"],
    )
    format: Form = Field(default="auto", description="auto keeps the text; the others convert it.")
    base_revision: Revision | None = Field(
        default=None,
        description="Save only if it is still at this revision; 0: only if it is new.",
    )


class NewNotebook(Text):
    """A notebook with its name."""

    name: str = Field(min_length=1, max_length=1000, examples=["reports/daily"])


def notebooks(prefix: str) -> APIRouter:
    """The routes of notebooks below a prefix."""
    router = router_of(KIND, f"{prefix}/notebooks", "notebooks")

    @router.post("", name="create_notebook", openapi_extra=_SAVE)
    async def create(call: CallOf, notebook: NewNotebook) -> SavedNotebook:
        """Save a notebook, or a new revision of it; earlier ones are kept."""
        return await _save(call, notebook.name, notebook)

    @router.put("/{name}", name="update_notebook", openapi_extra=_SAVE)
    async def update(call: CallOf, name: Name, text: Text) -> SavedNotebook:
        """Save a new revision of the notebook of that name."""
        return await _save(call, name, text)

    @router.post(
        "/{name}/execute", name="execute_notebook", openapi_extra=does("run_notebook", "notebook")
    )
    async def execute_one(
        call: CallOf, name: Name, how: Execution, response: Response
    ) -> RunAnswer:
        """Run a saved notebook; one that takes long goes on, and is followed as a run."""
        return await execute(call, name, None, how, response)

    @router.get(
        "/{name}/runs", name="list_runs_of_notebook", openapi_extra=does("get_run", "notebook")
    )
    async def runs(
        call: CallOf,
        name: Name,
        state: State | None = None,
        since: Since | None = None,
        cursor: Cursor | None = None,
    ) -> RunsAnswer:
        """List the runs of a notebook, the newest first."""
        return await list_runs(call, name=name, state=state, since=since, cursor=cursor)

    return router


async def _save(call: RestCall, name: str, text: Text) -> SavedNotebook:
    return await call.services.notebooks.save(
        call.caller, name, text.content, text.format, text.base_revision
    )
