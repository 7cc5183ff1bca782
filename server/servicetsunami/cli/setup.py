"""`servicetsunami init`: one client's configuration, changed or restored, and what was done."""

from pathlib import Path

from servicetsunami.cli.clients import SERVER_NAME, Client, Machine, client_named
from servicetsunami.cli.config_files import Plan, plan_entry, plan_removal
from servicetsunami.errors import InvalidInput
from servicetsunami.settings import Settings


def set_up(
    settings: Settings, name: str, *, project: Path | None, dry_run: bool, remove: bool
) -> list[str]:
    """Put our entry into a client's file, or take it out; returns what to tell the user.

    Raises InvalidInput for an unknown client, ConfigurationError for a file that is broken or
    cannot be written; in both cases nothing was changed.
    """
    client = client_named(name)
    path = _file(client, project)
    if remove:
        plan = plan_removal(path, client.entry_path)
    else:
        plan = plan_entry(path, client.entry_path, client.entry(settings))
    if not plan.changes:
        state = "has no entry of ours" if remove else "is set up already"
        return [f"{client.title} {state}: {plan.path}. Nothing was changed."]
    if dry_run:
        return [plan.diff(), "This was a dry run: nothing was changed."]
    plan.apply()
    return _removed(plan, client) if remove else _entered(plan, client, settings)


def _file(client: Client, project: Path | None) -> Path:
    if project is None:
        return client.user_file(Machine.this())
    if client.project_file is None:
        raise InvalidInput(
            f"{client.title} has no configuration for a single folder.", "Leave --project out."
        )
    return project / client.project_file


def _entered(plan: Plan, client: Client, settings: Settings) -> list[str]:
    lines = [f"{client.title} now starts {SERVER_NAME}: {plan.path}"]
    if plan.keeps_backup:
        lines.append(f"The file as it was is kept as {plan.backup.name} beside it.")
    if "@" in settings.database_url:
        lines.append("Note: the file now holds the database URL; keep it to yourself.")
    return [*lines, client.then]


def _removed(plan: Plan, client: Client) -> list[str]:
    if plan.after is None:
        return [f"Removed {plan.path}: it held nothing but our entry."]
    if plan.drops_backup:
        return [f"Restored {plan.path} to what it was before."]
    lines = [f"Took our entry out of {plan.path}; the other changes since then were kept."]
    if plan.backup.exists():
        lines.append(f"{plan.backup.name} beside it is the file as it was before our first change.")
    return [*lines, f"Restart {client.title} to let go of it."]
