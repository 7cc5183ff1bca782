"""The commands, for people at a terminal; heavy imports wait until a command needs them."""

import json
from pathlib import Path
from typing import Annotated

import anyio
import typer

from servicetsunami import __version__
from servicetsunami.cli import audit_commands, budget_commands, sync_commands, token_commands
from servicetsunami.cli.context import AsJson, errors_shown, settings_of
from servicetsunami.errors import InvalidInput

app = typer.Typer(
    name="servicetsunami",
    help="A local-first lakehouse for AI agents, over the Model Context Protocol.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(budget_commands.app, name="budget")
app.add_typer(sync_commands.app, name="sync")
app.add_typer(token_commands.app, name="token")
app.add_typer(audit_commands.app, name="audit")

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIRECTORY",
        help="Data directory, instead of SERVICETSUNAMI_DATA_DIR.",
    ),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"servicetsunami {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    data_dir: DataDir = None,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """A local-first lakehouse for AI agents, over the Model Context Protocol."""
    context.obj = data_dir


@app.command()
def serve(
    context: typer.Context,
    *,
    http: Annotated[
        bool, typer.Option("--http", help="HTTP at /mcp and /sse, instead of stdio.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Address for --http; beyond loopback only with credentials."
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(metavar="NUMBER", help="Port for --http.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Processes for --http, with credentials; Linux only."),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Offer only the tools that read.")
    ] = False,
) -> None:
    """Serve MCP over stdio, as clients start it, or over HTTP, until SIGTERM comes."""
    from servicetsunami.cli.serving import serve as run  # noqa: PLC0415 - not for other commands

    with errors_shown():
        if not http and (host, port, workers) != (None, None, None):
            raise InvalidInput(
                "--host, --port and --workers go with --http.", "Add --http, or leave them out."
            )
        settings = settings_of(
            context,
            http_host=host,
            http_port=port,
            http_workers=workers,
            read_only=read_only or None,
        )
        code = run(settings, http=http)
    raise typer.Exit(code)


@app.command()
def init(
    context: typer.Context,
    client: Annotated[
        str, typer.Option(metavar="NAME", help="claude-desktop, claude-code, cursor or vscode.")
    ],
    project: Annotated[
        bool, typer.Option("--project", help="Into the current folder's file, not the user's.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the change as a diff, and write nothing.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the entry out again.")] = False,
) -> None:
    """Enter this server into the configuration of an MCP client."""
    from servicetsunami.cli.setup import set_up  # noqa: PLC0415 - not for other commands

    with errors_shown():
        directory = Path.cwd() if project else None
        settings = settings_of(context)
        lines = set_up(settings, client, project=directory, dry_run=dry_run, remove=remove)
    for line in lines:
        typer.echo(line)


@app.command()
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check all that the server needs. Exit code 0: in order, 1: warnings, 2: failures."""
    from servicetsunami.cli.clients import Machine  # noqa: PLC0415 - not for other commands
    from servicetsunami.cli.doctor import Level, examine  # noqa: PLC0415 - not for other commands
    from servicetsunami.cli.showing import show_checks  # noqa: PLC0415 - imports rich

    with errors_shown():
        checks = anyio.run(examine, settings_of(context), Machine.this())
    worst = max(check.level for check in checks)
    if as_json:
        listed = [check.as_json() for check in checks]
        typer.echo(json.dumps({"level": worst.name.lower(), "checks": listed}, indent=2))
    else:
        show_checks(checks)
    raise typer.Exit(int(worst) if worst is not Level.OK else 0)


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what is stored, what waits for Databricks, and what has been used."""
    from servicetsunami.cli.showing import show_status  # noqa: PLC0415 - imports rich
    from servicetsunami.cli.status import look  # noqa: PLC0415 - not for other commands

    with errors_shown():
        found = anyio.run(look, settings_of(context))
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        show_status(found)


@app.command()
def demo(
    context: typer.Context,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete the demo's data first, and start over.")
    ] = False,
) -> None:
    """Show the main job on real data: ingest, describe, ask, travel in time."""
    from servicetsunami.cli.demo import run_demo  # noqa: PLC0415 - not for other commands

    with errors_shown():
        anyio.run(run_demo, settings_of(context), fresh)
