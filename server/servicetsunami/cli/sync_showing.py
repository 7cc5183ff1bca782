"""How the state of the sync looks at a terminal."""

from rich.table import Table
from rich.text import Text

from servicetsunami.cli.showing import console
from servicetsunami.services.sync_answers import SyncStatusAnswer, WorkspaceAnswer

_STYLES = {"synced": "green", "waiting": "yellow", "held": "yellow", "parked": "red", "off": "dim"}


def show_status(status: SyncStatusAnswer) -> None:
    """The workspace in a line or two, then a line for each dataset that is on its way."""
    out = console()
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("workspace", _workspace(status.workspace))
    facts.add_row("catalog", status.catalog)
    oldest = f", the oldest since {status.oldest_at}" if status.oldest_at else ""
    facts.add_row("outbox", f"{status.waiting} waiting, {status.parked} parked{oldest}")
    out.print(facts)
    if status.assets:
        out.print(_assets(status))
    for asset in status.assets:
        if asset.error:
            out.print(Text(f"{asset.name}: {asset.error}", style=_STYLES.get(asset.state, "")))
    out.print(status.next)


def _workspace(workspace: WorkspaceAnswer) -> str:
    if not workspace.connected:
        return "not connected"
    if workspace.error:
        return f"{workspace.host}: {workspace.error} {workspace.next_step or ''}".strip()
    return f"{workspace.host} as {workspace.user}, warehouse {workspace.warehouse_state}"


def _assets(status: SyncStatusAnswer) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("dataset", "state", "version", "there", "waiting", "parked"):
        table.add_column(name, justify="left" if name in {"dataset", "state"} else "right")
    for asset in status.assets:
        there = asset.synced_version if asset.synced_version is not None else asset.pulled_version
        table.add_row(
            asset.name,
            Text(asset.state, style=_STYLES.get(asset.state, "")),
            "" if asset.version is None else str(asset.version),
            "" if there is None else str(there),
            str(asset.waiting),
            str(asset.parked),
        )
    return table
