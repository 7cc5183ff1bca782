"""The commands `servicetsunami sync …`: what waits for Databricks, sent, retried or dropped."""

import json
from typing import Annotated

import anyio
import typer

from servicetsunami.cli.context import AsJson, errors_shown, settings_of

app = typer.Typer(help="What waits for Databricks: show it, send it.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A dataset: table or schema.table.")]
MaybeName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Only this dataset: table or schema.table.")
]


@app.command()
def status(context: typer.Context, name: MaybeName = None, as_json: AsJson = False) -> None:
    """Show how the workspace is, what waits for it, and what is held up and why."""
    from servicetsunami.cli.sync import status as look  # noqa: PLC0415 - builds a server
    from servicetsunami.cli.sync_showing import show_status  # noqa: PLC0415 - imports rich

    with errors_shown():
        found = anyio.run(look, settings_of(context), name)
    if as_json:
        typer.echo(json.dumps(found.model_dump(), indent=2))
    else:
        show_status(found)


@app.command()
def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Send what is due now, then end.")] = False,
) -> None:
    """Send what waits, until a signal comes; servers do it by themselves while they run.

    Exit code 1 with --once when something still waits or is parked.
    """
    from servicetsunami.cli.sync import run as work  # noqa: PLC0415 - builds a server

    with errors_shown():
        result = anyio.run(work, settings_of(context), once)
    typer.echo(result.text)
    raise typer.Exit(0 if result.is_complete else 1)


@app.command()
def retry(context: typer.Context, name: MaybeName = None) -> None:
    """Try parked and waiting changes again, of one dataset or of all."""
    _manage(context, "retry", name)


@app.command()
def drop(context: typer.Context, name: Name) -> None:
    """Forget the waiting changes of a dataset: they stay here, and are not sent."""
    _manage(context, "drop", name)


def _manage(context: typer.Context, action: str, name: str | None) -> None:
    from servicetsunami.cli.sync import manage  # noqa: PLC0415 - builds a server

    with errors_shown():
        done = anyio.run(manage, settings_of(context), action, name)
    typer.echo(f"{done.done} {done.next}")
