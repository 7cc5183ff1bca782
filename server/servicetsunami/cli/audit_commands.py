"""The commands `servicetsunami audit …`: what was done, and whether the record of it is whole."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from servicetsunami.cli.context import AsJson, errors_shown, settings_of

if TYPE_CHECKING:
    from servicetsunami.services.audit import AuditAnswer

app = typer.Typer(help="The record of every operation.", no_args_is_help=True)

Tenant = Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only this one.")]


@app.command()
def show(
    context: typer.Context,
    tenant: Tenant = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Such as 24h, 7d or 2026-01-31T12:00.")
    ] = "24h",
    server: Annotated[
        bool, typer.Option("--server", help="What belongs to no tenant: refused credentials.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was done, oldest first: a line for each operation, or one JSON object."""
    from servicetsunami.cli.audit import show as find  # noqa: PLC0415 - not for others

    def tell(name: str, record: "AuditAnswer") -> None:
        if as_json:
            typer.echo(json.dumps({"tenant": name, **record.model_dump(mode="json")}))
        else:
            typer.echo(_line(name, record))

    with errors_shown():
        anyio.run(find, settings_of(context), "" if server else tenant, since, tell)


@app.command()
def verify(
    context: typer.Context,
    tenant: Tenant = None,
    known: Annotated[
        str | None,
        typer.Option(metavar="SEAL", help="A seal noted earlier, which must still be there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no record was changed or taken out. Exit code 1 where one was.

    Note the newest seals that it shows at a place that the server cannot write to: with --known,
    a later check finds out whether the newest records were cut off.
    """
    from servicetsunami.cli.audit import verify as check  # noqa: PLC0415 - not for others

    with errors_shown():
        chains, is_known = anyio.run(check, settings_of(context), tenant, known)
    if as_json:
        typer.echo(json.dumps([asdict(chain) for chain in chains], indent=2))
    else:
        for chain in chains:
            told = f"whole: records {chain.first} to {chain.last}, newest seal {chain.seal}"
            typer.echo(f"{chain.tenant or '(server)'}  {chain.fault or told}")
        if not chains:
            typer.echo("Nothing is recorded yet.")
    if not is_known:
        typer.echo(f"No record has the seal {known}: it was cut off or changed.", err=True)
    raise typer.Exit(1 if not is_known or any(chain.fault for chain in chains) else 0)


def _line(tenant: str, record: "AuditAnswer") -> str:
    who = ":".join(part for part in (record.issuer, record.subject) if part)
    parts = [
        record.at,
        tenant or "(server)",
        who or "-",
        record.operation,
        record.outcome + (f"({record.error})" if record.error else ""),
        f"{record.seconds:.3f}s",
        ",".join(record.assets or ()),
        record.arguments or "",
    ]
    return "  ".join(part for part in parts if part)
