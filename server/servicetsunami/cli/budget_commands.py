"""The commands `servicetsunami budget …`: what tenants may use in a month."""

import json
from functools import partial
from typing import Annotated, Any

import anyio
import typer

from servicetsunami.cli.context import AsJson, errors_shown, settings_of
from servicetsunami.domain.budget import Budget
from servicetsunami.domain.caller import LOCAL_TENANT

app = typer.Typer(help="What tenants may use in a month.", no_args_is_help=True)

Tenant = Annotated[
    str, typer.Option("--tenant", metavar="NAME", help="Whose; `local` for the user of stdio.")
]


@app.command("set")
def set_budget(  # noqa: PLR0917 - typer reads them by name
    context: typer.Context,
    tenant: Tenant = LOCAL_TENANT,
    list_cost: Annotated[
        float | None, typer.Option(metavar="AMOUNT", help="On Databricks, at list prices.")
    ] = None,
    dbus: Annotated[float | None, typer.Option(metavar="DBU", help="On Databricks.")] = None,
    run_seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Of notebooks, on this machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give a tenant a budget of its own; 0 stands for no limit, what is left out stays."""
    from servicetsunami.cli.budgets import change  # noqa: PLC0415 - not for other commands

    given = Budget(list_cost=list_cost, dbus=dbus, run_seconds=run_seconds)
    with errors_shown():
        _show([anyio.run(change, settings_of(context), tenant, given)], as_json=as_json)


@app.command()
def show(
    context: typer.Context,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="Default: all with their own.")
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read the bill first, which wakes a warehouse.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what tenants may use this month, and what they have used."""
    from servicetsunami.cli.budgets import listed  # noqa: PLC0415 - not for other commands
    from servicetsunami.cli.budgets import show as state  # noqa: PLC0415

    with errors_shown():
        if tenant is None and not refresh:
            found = anyio.run(listed, settings_of(context))
        else:
            one = partial(state, settings_of(context), tenant or LOCAL_TENANT, refresh=refresh)
            found = [anyio.run(one)]
        _show(found, as_json=as_json)


@app.command()
def clear(context: typer.Context, tenant: Tenant = LOCAL_TENANT) -> None:
    """Hold a tenant to what is set for all."""
    from servicetsunami.cli.budgets import clear as take_away  # noqa: PLC0415 - not for others

    with errors_shown():
        had_one = anyio.run(take_away, settings_of(context), tenant)
    typer.echo(
        f"The budget of {tenant} is gone: what is set for all holds."
        if had_one
        else f"{tenant} had no budget of its own."
    )


def _show(states: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(states, indent=2))
        return
    for state in states:
        whose = "its own" if state["is_own"] else "as set for all"
        typer.echo(f"{state['tenant']}  {state['month']}  ({whose})")
        for limit in state["limits"].values():
            allowed = f"{limit['limit']:g} {limit['unit']}"
            typer.echo(
                f"  {limit['used']:g} of {allowed}, {limit['percent']:g} %: {limit['state']}"
                if limit["used"] is not None
                else f"  of {allowed}: what is used is {limit['state']}"
            )
        typer.echo(f"  {state['basis'] if state['limits'] else 'No limit.'}")
    if not states:
        typer.echo("No tenant has a budget of its own.")
