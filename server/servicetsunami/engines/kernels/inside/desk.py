"""Lays out what a notebook finds: dbutils, display, lake, spark, and how each cell is run."""

import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Any

from servicetsunami.engines.kernels.inside.bridge import Bridge, LakeError
from servicetsunami.engines.kernels.inside.dbutils import Dbutils, NotebookExit
from servicetsunami.engines.kernels.inside.display import register, show
from servicetsunami.engines.kernels.inside.lake import Lake, Spark
from servicetsunami.engines.kernels.inside.sail import LazySpark, Sail, is_installed
from servicetsunami.engines.kernels.inside.streams import BoundedStream
from servicetsunami.engines.kernels.naming import DESK

_READS = re.compile(r"\s*(SELECT|WITH|SHOW|DESCRIBE|DESC|VALUES|FROM|TABLE)\b", re.IGNORECASE)
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Desk:
    """Belongs to one kernel, which serves one run."""

    def __init__(self, shell: Any, *, bridge: str, output_bytes_max: int) -> None:  # noqa: ANN401
        self._shell = shell
        self._bridge = Bridge(bridge)
        self._dbutils = Dbutils(self._bridge, Path.cwd() / "files")
        self._sail = Sail(self._bridge, Path.cwd() / "tables") if is_installed() else None
        self._lake = Lake(self._bridge, on_write=self._sail.refresh if self._sail else None)
        BoundedStream.chars_max = output_bytes_max

    def lay(self) -> None:
        """Put everything in its place; once, before the first cell."""
        names = {
            DESK: self,
            "dbutils": self._dbutils,
            "display": show,
            "displayHTML": self.html,
            "lake": self._lake,
            "spark": Spark(self._lake) if self._sail is None else LazySpark(self._sail),
        }
        self._shell.user_ns.update(names)
        self._shell.user_ns_hidden.update(names)
        register(self._shell.display_formatter.formatters)
        self._shell.set_custom_exc((NotebookExit,), lambda *_, **__: None)
        self._shell.events.register("post_run_cell", self._end_cell)

    def give(self, parameters: dict[str, str]) -> None:
        """Set the parameters of the run, or of a `%run`."""
        self._dbutils.widgets.give(parameters)

    def sql(self, text: str) -> None:
        """Run a SQL cell: show its rows, and keep them as `_sqldf`.

        Reads go to the SQL engine of the server, unless Spark has been used, whose views only it
        knows. What writes needs Spark.
        """
        if self._sail is not None and (self._sail.is_started or not _READS.match(text)):
            frame = self._sail.session.sql(text, _named(text, self._dbutils.widgets.getAll()))
            frame = frame.toPandas()
        else:
            frame = self._lake.sql(text, self._dbutils.widgets.getAll())
        self._shell.user_ns["_sqldf"] = frame
        show(frame)

    def _end_cell(self, _result: object) -> None:
        """Hand over what Spark has written, and say how what was printed ends."""
        if self._sail is not None and self._sail.is_started:
            try:
                self._sail.publish()
            except LakeError:
                # As an error of the cell that has written it.
                self._shell.showtraceback()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, BoundedStream):
                stream.end_cell()

    def html(self, text: str) -> None:
        """Show HTML."""
        from IPython.display import HTML, display  # noqa: PLC0415 - after the kernel's start

        display(HTML(text))

    def pip(self, text: str) -> None:
        """Stand for `%pip`: a sandbox has no network, so what is asked for must be there."""
        words = text.split()
        wanted = [word for word in words[1:] if _REQUIREMENT.match(word)]
        if words[:1] != ["install"] or not wanted:
            raise LakeError(f"%pip {text} is not possible on this machine: only %pip install.")
        missing = [name for name in map(_project, wanted) if not _is_installed(name)]
        if missing:
            raise LakeError(
                f"Not installed on this machine, and a notebook has no network: "
                f"{', '.join(missing)}. Install them beside ServiceTsunami, or use run_on "
                "databricks."
            )
        print("Already installed:", ", ".join(map(_project, wanted)))  # noqa: T201 - as pip does


def _project(requirement: str) -> str:
    found = _REQUIREMENT.match(requirement)
    return found.group() if found else requirement


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _named(text: str, values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if f":{name}" in text}
