"""`dbutils` as notebooks know it from Databricks: widgets, notebook, jobs, fs.

What it does not have says so, with what to use instead.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from servicetsunami.engines.kernels.inside.bridge import Bridge, LakeError
from servicetsunami.engines.kernels.inside.display import EXIT


class NotebookExit(BaseException):
    """Ends the notebook well; not an Exception, so that no `except` of a cell swallows it."""


class Widgets:
    """Parameters: always texts. What the run was given wins over defaults."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._defaults: dict[str, str] = {}

    def give(self, values: dict[str, str]) -> None:
        """Set what the run was given."""
        self._given |= values

    def text(self, name: str, defaultValue: str = "", label: str | None = None) -> None:
        """Declare a parameter."""
        self._defaults[name] = str(defaultValue)

    def dropdown(
        self, name: str, defaultValue: str, choices: Sequence[str], label: str | None = None
    ) -> None:
        """Declare a parameter with choices; the default has to be one of them."""
        if defaultValue not in choices:
            raise ValueError(f"The default {defaultValue!r} of {name!r} is not among its choices.")
        self._defaults[name] = str(defaultValue)

    combobox = multiselect = dropdown

    def get(self, name: str) -> str:
        """The value of a parameter."""
        if name in self._given:
            return self._given[name]
        if name in self._defaults:
            return self._defaults[name]
        raise LakeError(
            f"InputWidgetNotDefined: No input widget named {name} is defined. "
            "Declare it with dbutils.widgets.text, or give it as a parameter of the run."
        )

    def getArgument(self, name: str, defaultValue: str = "") -> str:
        """The value of a parameter, or a default."""
        known = {**self._defaults, **self._given}
        return known.get(name, str(defaultValue))

    def getAll(self) -> dict[str, str]:
        """All parameters."""
        return {**self._defaults, **self._given}

    def remove(self, name: str) -> None:
        """Forget a declared parameter."""
        self._defaults.pop(name, None)

    def removeAll(self) -> None:
        """Forget all declared parameters."""
        self._defaults.clear()


class NotebookUtils:
    """Ends this notebook, and runs others."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def exit(self, value: object = "") -> NoReturn:
        """End the run well, with a text that the caller gets."""
        from IPython.display import display  # noqa: PLC0415 - after the kernel's start

        display({EXIT: {"value": str(value)}, "text/plain": str(value)}, raw=True)
        raise NotebookExit(str(value))

    def run(
        self, path: str, timeout_seconds: int = 0, arguments: dict[str, Any] | None = None
    ) -> str:
        """Run another notebook in a kernel of its own, and return its exit value."""
        given = {name: str(value) for name, value in (arguments or {}).items()}
        asked = {"path": path, "timeout_s": timeout_seconds, "parameters": given}
        value, _ = self._bridge.ask("run_notebook", asked)
        return str(value)


class TaskValues:
    """Values between the tasks of a job; a run outside of a job has no other tasks."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def set(self, key: str, value: object) -> None:
        """Keep a value for later tasks; it has to be JSON."""
        self._bridge.ask("set_value", {"key": key, "value": json.loads(json.dumps(value))})

    def get(
        self,
        taskKey: str,
        key: str,
        default: object = None,
        debugValue: object = None,
    ) -> object:
        """The value of an earlier task; outside of a job, the debug value."""
        found, _ = self._bridge.ask("get_value", {"task": taskKey, "key": key})
        if found["in_job"]:
            if not found["has_value"] and default is None:
                raise ValueError(f"The task {taskKey!r} has set no value {key!r}.")
            return found["value"] if found["has_value"] else default
        if debugValue is None:
            raise TypeError(
                "Must pass debugValue when calling get outside of a job context. "
                f"There is no task {taskKey!r} here whose {key!r} could be read."
            )
        return debugValue


class Jobs:
    """What belongs to jobs."""

    def __init__(self, bridge: Bridge) -> None:
        self.taskValues = TaskValues(bridge)


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One entry of a folder. Times in milliseconds since 1970, sizes in bytes."""

    path: str
    name: str
    size: int
    modificationTime: int

    def isDir(self) -> bool:
        """Whether it is a folder."""
        return self.name.endswith("/")


class Files:
    """The tenant's own files, which stay from run to run; `/x` and `dbfs:/x` are the same."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _at(self, path: str) -> Path:
        plain = path.removeprefix("dbfs:").removeprefix("file:").lstrip("/")
        found = (self._root / plain).resolve()
        if not found.is_relative_to(self._root.resolve()):
            raise LakeError(f"{path!r} is outside of your files.")
        return found

    def _info(self, found: Path) -> FileInfo:
        state, tail = found.stat(), "/" if found.is_dir() else ""
        path = f"dbfs:/{found.relative_to(self._root.resolve())}{tail}"
        size = 0 if tail else state.st_size
        return FileInfo(path, found.name + tail, size, int(state.st_mtime * 1000))

    def ls(self, path: str = "/") -> list[FileInfo]:
        """List a folder, or tell of a file."""
        found = self._at(path)
        if not found.exists():
            raise FileNotFoundError(f"No such file or directory: {path}")
        return [
            self._info(each) for each in (sorted(found.iterdir()) if found.is_dir() else [found])
        ]

    def put(self, path: str, contents: str, overwrite: bool = False) -> bool:
        """Write a text file."""
        found = self._at(path)
        if found.exists() and not overwrite:
            raise FileExistsError(f"File already exists: {path}")
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_text(contents, encoding="utf-8")
        return True

    def head(self, path: str, maxBytes: int = 65536) -> str:
        """The beginning of a file."""
        with self._at(path).open("rb") as file:
            return file.read(maxBytes).decode("utf-8", errors="replace")

    def mkdirs(self, path: str) -> bool:
        """Create a folder, with those above it."""
        self._at(path).mkdir(parents=True, exist_ok=True)
        return True

    def cp(self, source: str, target: str, recurse: bool = False) -> bool:
        """Copy a file, or with `recurse` a folder."""
        found, to = self._at(source), self._at(target)
        to.parent.mkdir(parents=True, exist_ok=True)
        if found.is_dir() and recurse:
            shutil.copytree(found, to, dirs_exist_ok=True)
        else:
            shutil.copy(found, to)
        return True

    def mv(self, source: str, target: str, recurse: bool = False) -> bool:
        """Move a file or a folder."""
        to = self._at(target)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self._at(source), to)
        return True

    def rm(self, path: str, recurse: bool = False) -> bool:
        """Delete a file, or with `recurse` a folder; whether there was one."""
        found = self._at(path)
        if not found.exists():
            return False
        if found.is_dir() and recurse:
            shutil.rmtree(found)
        elif found.is_dir():
            found.rmdir()
        else:
            found.unlink()
        return True


class Dbutils:
    """The object that notebooks call `dbutils`."""

    def __init__(self, bridge: Bridge, files: Path) -> None:
        self.widgets = Widgets()
        self.notebook = NotebookUtils(bridge)
        self.jobs = Jobs(bridge)
        self.fs = Files(files)

    def __getattr__(self, name: str) -> NoReturn:
        """Say what is missing; `secrets` above all."""
        raise AttributeError(
            f"dbutils.{name} is not available on this machine. Pass values as parameters of the "
            "run, or run the notebook with run_on databricks."
        )
