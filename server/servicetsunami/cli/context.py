"""What all commands share: the settings of this call, and errors in plain words."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from servicetsunami.cli.loading import load_settings
from servicetsunami.errors import ServerError
from servicetsunami.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings_of(context: typer.Context, **overrides: object) -> Settings:
    """The settings, with the options given before the command's name."""
    return load_settings(data_dir=context.obj, **overrides)


@contextmanager
def errors_shown() -> Generator[None]:
    """Show what went wrong without a traceback; the exit code is then 2."""
    try:
        yield
    except ServerError as error:
        from servicetsunami.cli.showing import show_error  # noqa: PLC0415 - imports rich

        show_error(error)
        sys.exit(2)
