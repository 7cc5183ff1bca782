"""`make dev-workspace`: the fake workspace by itself, to connect a server to and to break."""

import argparse
import signal
import tempfile
import threading
from pathlib import Path

import pyarrow as pa

from tests.fakes.databricks.workspace import FakeWorkspace

BANNER = """\
************************************************************************
*  THIS IS A FAKE Databricks workspace, for tests and demos.            *
*  It forgets everything when it ends. Nothing here is Databricks.      *
************************************************************************
Connect a server to it with:

  export DATABRICKS_ENABLED=true
  export DATABRICKS_HOST={url}
  export DATABRICKS_TOKEN={token}

A table to ask for and to pull: samples.nyc.trips
Trouble: POST {url}/__fake__/faults {{"path": "/api/", "status": 503, "times": null}}
         DELETE {url}/__fake__/faults
Look:    GET {url}/__fake__/tables and /__fake__/requests
Ctrl-C ends it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake Databricks workspace on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--token", default="dapi-of-a-fake-workspace")
    given = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with tempfile.TemporaryDirectory(prefix="fake-databricks-") as folder:
        options = {"port": given.port, "token": given.token}
        with FakeWorkspace.running(Path(folder), **options) as workspace:
            rows = {"trip": list(range(1000)), "miles": [n / 10 for n in range(1000)]}
            workspace.put_table("samples.nyc.trips", pa.table(rows))
            print(BANNER.format(url=workspace.url, token=workspace.token), flush=True)
            ended.wait()


if __name__ == "__main__":
    main()
