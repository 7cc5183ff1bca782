"""Runs of notebooks: each in a process of its own, which really executes the cells."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from servicetsunami.domain.notebook_cells import CellKind, parse, read_run
from tests.fakes.databricks.auth import Tokens
from tests.fakes.databricks.errors import ApiError
from tests.fakes.databricks.state import State
from tests.fakes.databricks.workspace_objects import Objects

_PROCESS = Path(__file__).with_name("notebook_process.py")


class NotebookExecution:
    """One notebook on its way; `result` is None until it has ended."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.result: str | None = None
        self.answer: dict[str, Any] = {}
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_PROCESS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # It is a cluster's, not ours: its coverage would be measured for nothing.
            env={name: each for name, each in os.environ.items() if "COVERAGE" not in name},
        )
        self._thread = threading.Thread(target=self._await, args=(json.dumps(given),), daemon=True)
        self._thread.start()

    def _await(self, given: str) -> None:
        said, _ = self._process.communicate(given)
        try:
            self.answer = json.loads(said)
        except ValueError:
            self.answer = {"commands": [], "exit_value": None, "error": "The driver died."}
        self.result = "FAILED" if self.answer["error"] else "SUCCESS"

    def stop(self) -> None:
        """Kill it; it stays without a result of its own."""
        self._process.kill()

    @property
    def export(self) -> str:
        """The page that an export of the run gives."""
        model = json.dumps({"version": "NotebookV1", "commands": self.answer.get("commands", [])})
        encoded = base64.b64encode(quote(model).encode()).decode()
        return f"<html><script>var __DATABRICKS_NOTEBOOK_MODEL = '{encoded}';</script></html>"


class NotebookRunner:
    """Starts executions; `url` is where the notebooks reach the API."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.url = ""
        self.warehouse_id = ""
        self.catalog = "servicetsunami_local"

    def start(
        self, task: dict[str, Any], task_values: Mapping[str, Any] | None = None
    ) -> NotebookExecution | None:
        """None for a notebook that is not there, whose outcome the test decides."""
        wanted = task.get("notebook_task")
        if wanted is None or self.state is None:
            return None
        objects: Objects = self.state.sub(Objects)
        try:
            path, _ = objects.get(wanted["notebook_path"])
        except ApiError:
            return None
        parameters = wanted.get("base_parameters") or {}
        return self.execute(_cells(objects, path), parameters, path, task_values or {})

    def execute(
        self,
        cells: list[list[str]],
        parameters: Mapping[str, str],
        path: str,
        task_values: Mapping[str, Any],
    ) -> NotebookExecution:
        assert self.state is not None
        tokens: Tokens = self.state.sub(Tokens)
        return NotebookExecution(
            {
                "cells": cells,
                "parameters": dict(parameters),
                "url": self.url,
                "token": tokens.pat,
                "warehouse_id": self.warehouse_id,
                "catalog": self.catalog,
                "path": path,
                "task_values": dict(task_values),
            }
        )


def _cells(objects: Objects, path: str) -> list[list[str]]:
    """The cells of a notebook, with those that it includes."""
    cells = []
    for cell in parse(objects.get(path)[1].content.decode()).cells:
        if cell.kind is CellKind.RUN:
            called = read_run(cell).path
            folder = path.rpartition("/")[0]
            other = called if called.startswith("/") else f"{folder}/{called.removeprefix('./')}"
            cells += _cells(objects, other)
        else:
            cells.append([cell.kind.value, cell.source])
    return cells
