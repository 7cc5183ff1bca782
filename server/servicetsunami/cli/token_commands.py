"""The commands `servicetsunami token …`: who may come in over HTTP."""

import json
from typing import Annotated

import anyio
import typer

from servicetsunami.cli.context import AsJson, errors_shown, settings_of
from servicetsunami.domain.caller import Scope
from servicetsunami.domain.identity import ApiKey

app = typer.Typer(help="API keys and tenants for serve --http.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant it is for.")]


@app.command()
def create(  # noqa: PLR0917 - typer reads them by name
    context: typer.Context,
    tenant: Tenant,
    name: Annotated[str, typer.Option(metavar="TEXT", help="What the key is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help=f"{', '.join(Scope)}; repeat it. Default: {Scope.READ}"),
    ] = None,
    days: Annotated[int, typer.Option(metavar="NUMBER", help="How long it is valid.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Make an API key for a tenant, and show it: it is kept nowhere, and never shown again."""
    from servicetsunami.cli.tokens import create as make  # noqa: PLC0415 - not for others

    with errors_shown():
        scopes = scope or [Scope.READ]
        key, secret = anyio.run(make, settings_of(context), tenant, name, scopes, days)
    if as_json:
        typer.echo(json.dumps({**_as_json(key), "key": secret}, indent=2))
    else:
        typer.echo(secret)
        typer.echo(f"{_line(key)}\nKeep it now: it is not shown again.", err=True)


@app.command("list")
def list_keys(
    context: typer.Context,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="Only its keys.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the keys that were made, without their secrets."""
    from servicetsunami.cli.tokens import keys  # noqa: PLC0415 - not for other commands

    with errors_shown():
        found = anyio.run(keys, settings_of(context), tenant)
    if as_json:
        typer.echo(json.dumps([_as_json(key) for key in found], indent=2))
        return
    for key in found:
        typer.echo(_line(key))
    if not found:
        typer.echo("There are no keys: servicetsunami token create makes one.")


@app.command()
def revoke(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")],
) -> None:
    """End a key: the next request with it is refused, by every server."""
    from servicetsunami.cli.tokens import revoke as end  # noqa: PLC0415 - not for others

    with errors_shown():
        anyio.run(end, settings_of(context), key_id)
    typer.echo(f"The key {key_id} opens nothing any more.")


@app.command()
def tenant(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As tokens name it.")],
) -> None:
    """Have a tenant served whose tokens another issuer makes; a key does so by itself."""
    from servicetsunami.cli.tokens import add_tenant  # noqa: PLC0415 - not for other commands

    with errors_shown():
        anyio.run(add_tenant, settings_of(context), name)
    typer.echo(f"The tenant {name} is served.")


def _line(key: ApiKey) -> str:
    end = f"until {key.expires_at:%Y-%m-%d}"
    if key.revoked_at is not None:
        end = f"revoked {key.revoked_at:%Y-%m-%d}"
    return f"{key.id}  {key.tenant}  {' '.join(sorted(key.scopes))}  {end}  {key.name}"


def _as_json(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }
