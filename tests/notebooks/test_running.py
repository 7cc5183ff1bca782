"""A notebook runs here as on Databricks: parameters, SQL, datasets, other notebooks, outputs."""

import base64
import json
import os
import shutil
from pathlib import Path

import anyio
import anyio.lowlevel
import psutil
import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.notebooks.running import magic, outputs, run, source, text
from tests.server.asking import ask, call, failure, unmarked

pytestmark = pytest.mark.slow

RUNS = int(os.environ.get("NOTEBOOK_RUNS", "5"))
"""`NOTEBOOK_RUNS=100` takes a minute."""
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"  # one pixel
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_cells_run_in_one_kernel_and_show_what_they_put_out(client: Client) -> None:
    done = await run(
        client,
        source(
            magic("%md\n# Title"),
            "x = 20\nprint('a')\nimport sys; print('b', file=sys.stderr)",
            "import os; os.system('echo from fd'); os.write(1, b'raw')\nx + 1",
            f"from IPython.display import Image, HTML; Image(data=__import__('base64')"
            f".b64decode('{PNG}'))",
            "displayHTML('<b>bold</b>')",
            magic("%sh\necho shell"),
            magic("%pip install pandas"),
        ),
    )

    assert (done["state"], done["cells_done"], done["isolation"]) == ("SUCCESS", 7, "isolated")
    assert [(each["name"], each["text"]) for each in outputs(done, 1)] == [
        ("stdout", "a\n"),
        ("stderr", "b\n"),
    ]
    assert "from fd" in text(done, 2)
    assert "raw" in text(done, 2)
    assert {"type": "value", "text": "21"} in outputs(done, 2)
    [image] = outputs(done, 3)
    assert (image["type"], image["mime"]) == ("image", "image/png")
    uri = f"lake://runs/{done['run_id']}/images/{image['file']}"
    [content] = (await client.read_resource(uri)).contents
    assert base64.b64decode(getattr(content, "blob", "")) == base64.b64decode(PNG)
    assert outputs(done, 4) == [{"type": "html", "text": "<b>bold</b>"}]
    assert text(done, 5) == "shell\n"
    assert "Already installed: pandas" in text(done, 6)


async def test_parameters_reach_widgets_and_the_parameters_cell(client: Client) -> None:
    notebook = {
        "cells": [
            {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "n = 'default'"},
            {
                "cell_type": "code",
                "metadata": {},
                "source": "dbutils.widgets.text('m', 'fallback')\n"
                "dbutils.widgets.dropdown('d', 'a', ['a', 'b'])\n"
                "(n, dbutils.widgets.get('n'), dbutils.widgets.get('m'), "
                "dbutils.widgets.getAll()['d'])",
            },
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }

    done = await run(client, json.dumps(notebook), parameters={"n": "5"})
    assert text(done, 2) == "('5', '5', 'fallback', 'a')"
    missing = await run(client, "dbutils.widgets.get('x')")
    assert "No input widget named x is defined" in missing["error"]
    wrong = await failure(client, "run_notebook", content="1", parameters={"a b": "1"})
    assert "cannot name a parameter" in wrong


async def test_a_notebook_reads_and_writes_datasets_as_new_versions(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"n": n} for n in range(10)], name="t")

    done = await run(
        client,
        source(
            "dbutils.widgets.text('min', '6')",
            magic("%sql\nSELECT n, n * 2 AS twice FROM t WHERE n > int(:min)"),
            "lake.write(_sqldf.assign(more=1.5), 'out')",
            "spark.table('out').toPandas()",
            "lake.write(lake.sql('SELECT 99 AS n'), 't', mode='append')",
            "(spark.sql('SELECT max(n) AS m FROM t').collect()[0].m, lake.table('t').n.sum())",
            "lake.sql('SHOW TABLES').columns.tolist()",
            "lake.sql('SELECT n FROM t WHERE n > 1000')",
        ),
        parameters={"min": "7"},
    )

    assert done["state"] == "SUCCESS", done["error"]
    [table] = outputs(done, 1)
    assert (table["columns"], table["rows"]) == (["n", "twice"], [[8, 16], [9, 18]])
    [shown] = outputs(done, 3)
    assert shown["rows"] == [[8, 16, 1.5], [9, 18, 1.5]]
    assert text(done, 5) == "(99, np.int64(144))"
    assert outputs(done, 7)[0]["row_count"] == 0
    assert await ask(client, "SELECT count(*) FROM t VERSION AS OF 0") == [[10]]
    assert await ask(client, "SELECT count(*) FROM t") == [[11]]
    described = await call(client, "describe_asset", name="out")
    assert described["origin"] == f"notebook run {done['run_id']}"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("lake.sql('DROP TABLE t')", "DROP is not allowed"),
        ("lake.sql('SELECT * FROM nothing')", "No dataset is named"),
        ("dbutils.secrets.get('a', 'b')", "dbutils.secrets is not available"),
        ("lake.write(lake.sql('SELECT 1 AS a'), 'x', mode='upsert')", "There is no mode"),
        ("dbutils.notebook.run('nothing', 10)", "No notebook is named"),
        ("dbutils.jobs.taskValues.get('a', 'b')", "Must pass debugValue"),
        ("%pip install nonesuch", "Not installed on this machine"),
    ],
)
async def test_what_a_notebook_cannot_do_says_what_to_do_instead(
    client: Client, code: str, said: str
) -> None:
    done = await run(client, source(magic(code) if code.startswith("%") else code))

    assert done["state"] == "FAILED"
    assert said in done["error"]


async def test_notebooks_include_and_call_each_other(client: Client) -> None:
    await call(client, "save_notebook", name="team/lib", content="def twice(x): return 2 * x")
    await call(
        client,
        "save_notebook",
        name="team/called",
        content="dbutils.notebook.exit(int(dbutils.widgets.get('x')) + 1)",
    )
    main = source(
        magic("%run ./lib $y='7'"),
        "value = dbutils.notebook.run('called', 60, {'x': twice(10)})",
        "try:\n    dbutils.notebook.exit(value + dbutils.widgets.get('y'))\n"
        "except Exception:\n    print('swallowed')",
        "print('never')",
    )
    await call(client, "save_notebook", name="team/main", content=main)

    done = await call(client, "run_notebook", name="team/main")

    assert (done["state"], done["exit_value"]) == ("SUCCESS", "217"), done
    assert [cell["state"] for cell in done["cells"]][-2:] == ["SUCCESS", "SKIPPED"]
    listed = (await call(client, "get_run"))["runs"]
    assert [each["name"] for each in listed] == ["team/called", "team/main"]
    assert listed[0]["reason"] == f"It was run by {done['run_id']}."

    await call(client, "save_notebook", name="team/circle", content=source(magic("%run ./circle")))
    assert "in a circle" in await failure(client, "run_notebook", name="team/circle")


async def test_an_error_ends_the_run_with_its_traceback(client: Client) -> None:
    done = await run(client, source("print('before')", "def f():\n    1 / 0\nf()", "print('no')"))

    assert done["state"] == "FAILED"
    assert done["error"] == "Cell 1: ZeroDivisionError: division by zero"
    [error] = outputs(done, 1)
    assert "----> 2     1 / 0" in error["text"]
    assert "\x1b" not in error["text"]
    assert [cell["state"] for cell in done["cells"]] == ["SUCCESS", "FAILED", "SKIPPED"]


async def test_long_output_is_cut_in_the_middle_and_kept_as_a_resource(client: Client) -> None:
    done = await run(client, "for n in range(50_000): print('line', n)")

    [shown] = outputs(done)
    assert shown["text"].startswith("line 0\n")
    assert shown["text"].endswith("line 49999\n")
    assert "characters not shown" in shown["text"]
    assert len(shown["text"]) < 5_000
    [content] = (await client.read_resource(done["cells"][0]["uri"])).contents
    assert unmarked(getattr(content, "text", "")) == "".join(f"line {n}\n" for n in range(50_000))


async def test_files_stay_from_run_to_run(client: Client) -> None:
    await run(client, "dbutils.fs.put('/a/b.txt', 'hello'); dbutils.fs.cp('/a', '/c', True)")

    done = await run(
        client,
        source(
            "[(f.path, f.size) for f in dbutils.fs.ls('dbfs:/c')], dbutils.fs.head('/a/b.txt')",
            "dbutils.fs.rm('/a', True), dbutils.fs.mv('/c/b.txt', '/d.txt'), dbutils.fs.ls('/')",
            "dbutils.fs.head('../../x')",
        ),
    )
    assert text(done, 0) == "([('dbfs:/c/b.txt', 5)], 'hello')"
    assert "d.txt" in text(done, 1)
    assert "outside of your files" in done["error"]


async def test_a_long_run_hands_back_its_id_and_is_followed_listed_and_cancelled(
    client: Client,
) -> None:
    await call(client, "save_notebook", name="long", content=source("print(1)", "while True: pass"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: client.call_tool("run_notebook", {"name": "long"}))
        run_id = await _running(client, "long")
        going = (await call(client, "get_run", run_id=run_id, wait=False))["run"]
        with anyio.fail_after(2.5):
            ended = await call(client, "cancel_run", run_id=run_id)

    assert going["state"] == "RUNNING"
    assert text(going) == "1\n"
    assert (ended["state"], ended["error"]) == ("CANCELED", "It was cancelled.")
    again = await call(client, "cancel_run", run_id=run_id)
    assert again["state"] == "CANCELED"
    listed = (await call(client, "get_run", name="long", state="CANCELED"))["runs"]
    assert [each["run_id"] for each in listed] == [run_id]
    assert (await call(client, "get_run", since="2100-01-01"))["runs"] == []


async def _running(client: Client, name: str) -> str:
    """The id of the run, once its first cell has ended."""
    with anyio.fail_after(30):
        while True:
            listed = (await call(client, "get_run", name=name))["runs"]
            if listed and listed[0]["cells_done"]:
                return listed[0]["run_id"]


async def test_code_that_ignores_the_interrupt_is_killed(client: Client) -> None:
    code = "import time\nwhile True:\n    try: time.sleep(60)\n    except KeyboardInterrupt: pass"

    with anyio.fail_after(15):
        done = await run(client, code, timeout_s=1)
    assert (done["state"], done["error"]) == ("TIMEDOUT", "It did not end within 1 s.")


async def test_a_kernel_that_dies_fails_the_run(client: Client) -> None:
    done = await run(client, source("import os; os._exit(3)", "1"))

    assert (done["state"], done["error"]) == ("FAILED", "The kernel died in cell 0.")


async def test_a_flood_of_outputs_ends_the_run(client: Client) -> None:
    done = await run(client, "for n in range(20): display('x' * 2**23)")

    assert done["state"] == "FAILED"
    assert "More than 64 MiB" in done["error"]


async def test_outputs_that_only_look_like_ours_are_left_out(client: Client) -> None:
    table = "application/vnd.servicetsunami.table+json"
    bad = [{}, {"columns": 3, "rows": [[1]], "row_count": "x"}, {"columns": ["a"], "rows": [1]}]
    shown = "".join(f"display({{{table!r}: {each!r}}}, raw=True)\n" for each in bad)
    png = "display({'image/png': '!'}, raw=True)\n"
    content = f"from IPython.display import display\n{shown}{png}print('still here')"
    done = await run(client, content)

    assert done["state"] == "SUCCESS", done
    assert "still here" in text(done)


async def test_an_unknown_run_is_not_found(client: Client) -> None:
    for tool in ("get_run", "cancel_run"):
        assert "No run has the id 'run-1'" in await failure(client, tool, run_id="run-1")
    assert "neither" not in await failure(client, "run_notebook")
    assert "no point in time" in await failure(client, "get_run", since="yesterday")
    assert "not a cursor" in await failure(client, "get_run", cursor="2026-01-01")


@pytest.mark.parametrize("keeps", [True, False], ids=["a spare kernel", "none"])
async def test_runs_leave_nothing_behind_but_a_spare_kernel(
    settings: Settings, zygote: Zygote, tmp_path: Path, *, keeps: bool
) -> None:
    def kernels() -> int:
        children = psutil.Process().children(recursive=True)
        return len([each for each in children if "boot.py" in " ".join(each.cmdline())])

    kept = settings.model_copy(update={"notebook_spare": keeps})
    async with (
        open_app(kept, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        await run(client, "1")
        await run(client, "1")
        running, opened = kernels(), psutil.Process().num_fds()
        for _ in range(RUNS):
            await run(client, "open('x', 'w').write('y' * 1000)")

        with anyio.fail_after(30):
            while keeps and not kernels():
                await anyio.lowlevel.checkpoint()
        assert kernels() <= running + 3 if keeps else kernels() == 0
        assert psutil.Process().num_fds() <= opened + 10
        left = [path.name for path in (tmp_path / "data" / "temp").glob("kernel-*")]
        assert len(left) <= 2 if keeps else left == []


async def test_a_kernel_that_does_not_start_is_told_and_not_hidden(
    client: Client, app: App
) -> None:
    await call(client, "get_run")
    temp = app.settings.data_dir / "temp"
    shutil.rmtree(temp, ignore_errors=True)
    temp.write_text("a file where a folder should be")

    done = await run(client, "1")
    assert done["state"] == "FAILED"
    assert "This machine could not do it: File exists" in done["error"]
