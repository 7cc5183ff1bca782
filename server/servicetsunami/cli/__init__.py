"""The command `servicetsunami`: serve, init, doctor, status, sync, token, demo."""

import gc
import sys


def main() -> None:
    """Run the command with the arguments of this process."""
    if sys.argv[1:] == ["serve"]:
        # How clients start us, each time anew: without the command line library it is faster, and
        # without looking for garbage, of which a start makes none. `serve_stdio` ends that.
        gc.disable()
        from servicetsunami.cli.serving import serve_stdio  # noqa: PLC0415 - a fast path

        sys.exit(serve_stdio())
    from servicetsunami.cli.commands import app  # noqa: PLC0415 - not wanted on the fast path

    app()
