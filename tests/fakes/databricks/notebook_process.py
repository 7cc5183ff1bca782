"""Runs one notebook as a cluster would: its own process, its own dbutils, SQL through the API.

Reads what to do from stdin as JSON, and writes what came of each cell to stdout as JSON. It shares
nothing with the kernels of the product but IPython, which Databricks uses as well.
"""

import base64
import json
import sys
import time
import urllib.request
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

TYPES = {
    "int": int,
    "bigint": int,
    "smallint": int,
    "tinyint": int,
    "double": float,
    "float": float,
}


class Exit(Exception):
    pass


class Api:
    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self.given["url"] + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.given['token']}"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def sql(self, text: str, args: dict[str, Any] | None) -> Any:
        import pandas as pd  # noqa: PLC0415 - only where it is needed

        body: dict[str, Any] = {
            "statement": text,
            "warehouse_id": self.given["warehouse_id"],
            "catalog": self.given["catalog"],
            "wait_timeout": "30s",
        }
        named = {k: v for k, v in (args or {}).items() if f":{k}" in text}
        if named:
            body["parameters"] = [
                {"name": k, "value": str(v), "type": _type(v)} for k, v in named.items()
            ]
        answer = self.ask("/api/2.0/sql/statements", body)
        if answer["status"]["state"] != "SUCCEEDED":
            raise RuntimeError(answer["status"]["error"]["message"])
        columns = answer["manifest"]["schema"]["columns"]
        makers = [TYPES.get(each["type_text"].lower(), str) for each in columns]
        rows = (answer.get("result") or {}).get("data_array") or []
        cells = [
            [None if v is None else make(v) for v, make in zip(row, makers, strict=True)]
            for row in rows
        ]
        return pd.DataFrame(cells, columns=[each["name"] for each in columns])


def _type(value: object) -> str:
    return {int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}.get(type(value), "STRING")


class Frame:
    def __init__(self, api: Api, text: str, args: dict[str, Any] | None = None) -> None:
        self.api, self.text, self.args = api, text, args

    def toPandas(self) -> Any:  # noqa: N802
        return self.api.sql(self.text, self.args)

    def collect(self) -> list[Any]:
        return list(self.toPandas().itertuples(index=False, name="Row"))

    def count(self) -> int:
        return len(self.toPandas())

    def show(self, n: int = 20, truncate: bool = True) -> None:
        print(self.toPandas().head(n).to_string(index=False))


class Spark:
    def __init__(self, api: Api) -> None:
        self.api = api

    def sql(self, text: str, args: dict[str, Any] | None = None) -> Frame:
        return Frame(self.api, text, args)

    def table(self, name: str) -> Frame:
        return Frame(self.api, f"SELECT * FROM {name}")


class Widgets:
    def __init__(self, given: dict[str, str]) -> None:
        self.given, self.defaults = given, dict[str, str]()

    def text(self, name: str, default: str = "", label: str | None = None) -> None:
        self.defaults[name] = default

    def dropdown(self, name: str, default: str, choices: list[str], label: str = "") -> None:
        self.defaults[name] = default

    def get(self, name: str) -> str:
        return self.getAll()[name]

    def getAll(self) -> dict[str, str]:  # noqa: N802
        return {**self.defaults, **self.given}


class Notebook:
    def __init__(self, api: Api) -> None:
        self.api = api

    def exit(self, value: object) -> None:
        raise Exit(str(value))

    def run(self, path: str, timeout: int = 0, arguments: dict[str, str] | None = None) -> str:
        folder = self.api.given["path"].rpartition("/")[0]
        whole = path if path.startswith("/") else f"{folder}/{path.removeprefix('./')}"
        task = {
            "task_key": "called",
            "notebook_task": {"notebook_path": whole, "base_parameters": arguments or {}},
        }
        run_id = self.api.ask("/api/2.2/jobs/runs/submit", {"tasks": [task]})["run_id"]
        while True:
            seen = self.api.ask(f"/api/2.2/jobs/runs/get?run_id={run_id}")
            if seen["status"]["state"] == "TERMINATED":
                break
            time.sleep(0.05)
        if seen["state"]["result_state"] != "SUCCESS":
            raise RuntimeError(f"Notebook {path} failed.")
        task_id = seen["tasks"][0]["run_id"]
        output = self.api.ask(f"/api/2.2/jobs/runs/get-output?run_id={task_id}")
        return str(output["notebook_output"].get("result", ""))


class TaskValues:
    def __init__(self, earlier: dict[str, dict[str, Any]]) -> None:
        self.earlier, self.own = earlier, dict[str, Any]()

    def set(self, key: str, value: Any) -> None:
        self.own[key] = value

    def get(  # the names of the arguments are those of dbutils
        self,
        taskKey: str,  # noqa: N803
        key: str,
        default: Any = None,
        debugValue: Any = None,  # noqa: N803
    ) -> Any:
        return self.earlier.get(taskKey, {}).get(key, default)


class JobUtils:
    def __init__(self, api: Api) -> None:
        self.taskValues = TaskValues(api.given.get("task_values") or {})


class Dbutils:
    def __init__(self, api: Api) -> None:
        self.jobs = JobUtils(api)
        self.widgets = Widgets(api.given["parameters"])
        self.notebook = Notebook(api)


class Cluster:
    """One run: cells in one IPython."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.api, self.results = Api(given), list[dict[str, Any]]()
        self.dbutils = Dbutils(self.api)
        self.shell = InteractiveShell.instance(colors="nocolor")
        self.shell.user_ns |= {
            "dbutils": self.dbutils,
            "spark": Spark(self.api),
            "display": self.display,
            "displayHTML": lambda text: self.results.append({"type": "html", "data": text}),
        }
        self.shell.set_custom_exc((Exit,), lambda *_, **__: None)
        self.shell.showtraceback = lambda *_, **__: None
        self.shell.display_trap.hook = self.hook

    def hook(self, value: Any) -> None:
        """Take the value of a cell's last line."""
        if value is not None:
            bundle, _ = self.shell.display_formatter.format(value)  # ty: ignore
            self.results.append({"type": "mimeBundle", "data": _plain(bundle)})

    def display(self, value: Any) -> None:
        frame = value.toPandas() if hasattr(value, "toPandas") else value
        if not hasattr(frame, "columns"):
            from IPython.display import display  # noqa: PLC0415

            display(frame)
            return
        rows = json.loads(frame.to_json(orient="values"))
        schema = [{"name": str(name), "type": '"string"'} for name in frame.columns]
        self.results.append({"type": "table", "data": rows, "schema": schema, "overflow": False})

    def cell(self, kind: str, source: str) -> tuple[list[dict[str, Any]], BaseException | None]:
        self.results = []
        if kind == "md":
            return [], None
        if kind == "sql":
            try:
                frame = self.api.sql(source, self.dbutils.widgets.getAll())
            except Exception as error:  # noqa: BLE001 - whatever the statement does
                return [], error
            self.shell.user_ns["_sqldf"] = frame
            self.display(frame)
            return self.results, None
        code = f"%%sh\n{source}" if kind == "sh" else source
        if kind == "pip":
            return [{"type": "ansi", "data": "installed\n"}], None
        with capture_output() as captured:
            done = self.shell.run_cell(code)
        printed = [
            {"type": "ansi", "name": name, "data": text}
            for name, text in (("stdout", captured.stdout), ("stderr", captured.stderr))
            if text
        ]
        shown = [{"type": "mimeBundle", "data": _plain(each.data)} for each in captured.outputs]
        return [*printed, *self.results, *shown], done.error_before_exec or done.error_in_exec


def _plain(bundle: dict[str, Any]) -> dict[str, str]:
    return {
        mime: base64.b64encode(data).decode() if isinstance(data, bytes) else data
        for mime, data in bundle.items()
    }


def main() -> None:
    given = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr
    cluster, commands, exit_value, error = Cluster(given), [], None, None
    for position, (kind, source) in enumerate(given["cells"], 1):
        command: dict[str, Any] = {"position": position, "command": source, "state": "input"}
        if exit_value is None and error is None:
            results, raised = cluster.cell(kind, source)
            command["state"] = "finished"
            if isinstance(raised, Exit):
                exit_value = str(raised)
            elif raised is not None:
                error = f"{type(raised).__name__}: {raised}"
                command |= {"state": "error", "errorSummary": error}
            command["results"] = {"type": "listResults", "data": results}
        commands.append(command)
    answer = {"commands": commands, "exit_value": exit_value, "error": error}
    json.dump({**answer, "values": cluster.dbutils.jobs.taskValues.own}, out)


if __name__ == "__main__":
    main()
