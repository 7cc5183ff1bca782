"""Code in a notebook stays in its sandbox: each attack of the list, and what it finds outside."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.notebooks.running import run, source, text
from tests.server.asking import call, failure

NO_BWRAP = "/bin/false"
"""A machine that does not let bubblewrap work."""
ESCAPED = "ESCAPED"
CALLS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, *arguments):
    ctypes.set_errno(0)
    if getattr(libc, name)(*arguments) == 0:
        print("ESC" + "APED", name)
"""


def escaping(code: str) -> str:
    """The code, whose last line is true when it has reached what it must not."""
    *before, last = code.strip().splitlines()
    body = "\n".join([*before, f"if {last}: print('ESC' + 'APED')"])
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"try:\n{lines}\nexcept BaseException as error: print(type(error).__name__, error)"


def content(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of somebody else: another tenant's, or the server's own."""
    path = tmp_path / "data" / "tenants" / "other" / "files" / "secret.txt"
    path.parent.mkdir(parents=True)
    path.write_text("secret", encoding="utf-8")
    return path


@pytest.fixture
def loopback() -> Iterator[int]:
    """A service that only this machine should reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def abstract() -> Iterator[str]:
    """A socket without a file, as D-Bus and X11 have."""
    name = f"lake-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        yield name


async def test_what_is_outside_cannot_be_read_written_or_reached(
    client: Client, secret: Path, loopback: int, abstract: str, tmp_path: Path
) -> None:
    attacks = {
        "another tenant's file": f"open({str(secret)!r}).read()",
        "the metadata": f"open({str(tmp_path / 'data' / 'metadata.db')!r}, 'rb').read()",
        "passwords": "open('/etc/shadow').read()",
        "a process of the host": f"__import__('os').listdir('/proc/{os.getpid()}')",
        "a signal to the host": f"__import__('os').kill({os.getpid()}, 0) is None",
        "the environment": "'SERVICETSUNAMI' in str(__import__('os').environ)",
        "loopback": f"import socket\nsocket.create_connection(('127.0.0.1', {loopback}), 2)",
        "the network": "import socket\nlen(socket.if_nameindex()) > 1",
        "abstract sockets": "import socket\ns = socket.socket(socket.AF_UNIX)\n"
        f"s.connect('\\0{abstract}') is None",
        "writing outside": f"open({str(secret.parent / 'new')!r}, 'w')",
        "writing into Python": "import json\nopen(json.__file__, 'a')",
        "writing into our code": "import servicetsunami\nopen(servicetsunami.__file__, 'a')",
        "becoming root": "import os\nos.setuid(0) is None",
    }
    done = await run(client, source(*map(escaping, attacks.values())))

    assert done["state"] == "SUCCESS", done["error"]
    assert [
        name for name, n in zip(attacks, range(99), strict=False) if ESCAPED in text(done, n)
    ] == []
    assert content(secret) == "secret"


async def test_the_same_attacks_succeed_without_the_sandbox(
    secret: Path, loopback: int, abstract: str, tmp_path: Path
) -> None:
    """What makes the test above one that can fail."""
    settings = Settings(data_dir=tmp_path / "data", allow_unsandboxed=True, bubblewrap=NO_BWRAP)
    async with open_app(settings) as app, Client(LakeServer(app.services, app.caller)) as client:
        done = await run(
            client,
            source(
                escaping(f"open({str(secret)!r}).read()"),
                escaping(f"__import__('os').listdir('/proc/{os.getpid()}')"),
                escaping(f"__import__('socket').create_connection(('127.0.0.1', {loopback}))"),
                escaping(
                    "import socket\ns = socket.socket(socket.AF_UNIX)\n"
                    f"s.connect('\\0{abstract}') is None"
                ),
                escaping(f"open({str(secret.parent / 'new')!r}, 'w')"),
            ),
        )

    assert done["isolation"] == "none"
    assert [ESCAPED in text(done, n) for n in range(5)] == [True] * 5


async def test_calls_that_change_the_machine_are_refused(client: Client) -> None:
    code = CALLS + (
        "tried('mount', b'none', b'/tmp', b'tmpfs', 0, None)\n"
        "tried('unshare', 0x10000000)\n"
        "tried('unshare', 0x20000)\n"
        "tried('ptrace', 16, 1, 0, 0)\n"
        "tried('setns', 0, 0)\n"
        "tried('chroot', b'/tmp')\n"
        "tried('sethostname', b'x', 1)\n"
        "tried('reboot', 0)\n"
        "if libc.memfd_create(b'x', 0) >= 0: print('ESC' + 'APED memfd')\n"
        "pid = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0) if __import__('platform').machine() "
        "== 'x86_64' else -1\n"
        "if pid == 0: __import__('os')._exit(0)\n"
        "if pid > 0: print('ESC' + 'APED clone')\n"
        "print('done')"
    )
    done = await run(client, code)

    assert done["state"] == "SUCCESS", done
    assert ESCAPED not in text(done)
    assert text(done).endswith("done\n")


@pytest.mark.slow
async def test_links_in_the_work_folder_do_not_lead_the_server_outside(
    client: Client, secret: Path
) -> None:
    done = await run(
        client,
        source(
            f"import os\nos.symlink({str(secret)!r}, 'link')\nos.symlink('/', 'root')\n"
            f"os.symlink({str(secret)!r}, 'files/link')\nos.symlink('link', 'link2')\n"
            "for n in range(9): os.symlink('/etc/passwd', f'{n}.txt')",
            "print(1)",
        ),
    )

    assert text(done, 1) == "1\n"
    listed = await run(client, "[f.path for f in dbutils.fs.ls('/')]")
    assert "outside" in (listed["error"] or "") or "link" in text(listed)
    read = await run(client, "dbutils.fs.head('/link')")
    assert read["state"] == "FAILED"
    refused = await failure(client, "ingest_dataset", source=str(secret))
    assert "allowed" in refused or "may" in refused
    assert content(secret) == "secret"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = bytearray(30 * 2**30)", "MemoryError"),
        (
            "parts = []\nwhile True:\n    parts.append(bytearray(2**20))\n"
            "    parts[-1][::4096] = b'x' * 256",
            "",
        ),
        ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", ""),
        ("f = open('big', 'wb')\nwhile True: f.write(b'x' * 2**20)", ""),
        ("for n in range(10**7): open(f'f{n}', 'w').close()", "files were written"),
        ("f = open('/tmp/big', 'wb')\nwhile True: f.write(b'x' * 2**20)", "No space left"),
        ("f = open('/dev/shm/big', 'wb')\nwhile True: f.write(b'x' * 2**20)", "No space left"),
    ],
    ids=["30 GB", "memory", "fork bomb", "disk", "many files", "tmp", "shm"],
)
@pytest.mark.slow
async def test_using_too_much_ends_the_run_and_not_the_machine(
    app: App, code: str, said: str
) -> None:
    # The system counts processes by user, and other tests run notebooks for the usual tenant.
    greedy = LakeServer(app.services, lambda: replace(app.caller(), tenant="greedy"))
    async with Client(greedy) as client:
        started = time.monotonic()
        done = await run(client, code, timeout_s=60)

        assert done["state"] == "FAILED", done
        assert said in done["error"]
        assert time.monotonic() - started < 60
        again = await run(client, "1 + 1")
        assert again["state"] == "SUCCESS", again
        assert text(again) == "2"


@pytest.mark.slow
async def test_nothing_that_a_run_has_started_outlives_it(client: Client) -> None:
    mark = f"sleep {60_000 + os.getpid()}"
    code = (
        "import subprocess\n"
        f"subprocess.Popen('setsid nohup {mark} >/dev/null 2>&1 &', shell=True)\n"
        f"subprocess.Popen({mark.split()!r}, start_new_session=True)\n"
        "import time; time.sleep(0.3)"
    )
    done = await run(client, code)

    assert done["state"] == "SUCCESS"
    left = [p for p in psutil.process_iter() if mark in " ".join(_command(p))]
    assert left == []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.slow
async def test_printing_a_gigabyte_neither_grows_nor_stalls_the_server(client: Client) -> None:
    me = psutil.Process()
    await run(client, "1")
    before = me.memory_info().rss
    done = await run(client, "for n in range(1024): print('x' * 2**20)", timeout_s=100)

    assert done["state"] == "SUCCESS", done["error"]
    assert me.memory_info().rss - before < 64 * 2**20
    assert "characters are left out" in text(done) or "not shown" in text(done)


@pytest.mark.parametrize(("allowed", "is_hosted"), [(False, False), (True, True)])
async def test_without_a_sandbox_nothing_runs_unless_the_operator_says_so(
    tmp_path: Path, allowed: bool, is_hosted: bool
) -> None:
    settings = Settings(data_dir=tmp_path, allow_unsandboxed=allowed, bubblewrap=NO_BWRAP)
    async with (
        open_app(settings, is_hosted=is_hosted) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        message = await failure(client, "run_notebook", content="1")
        assert (await call(client, "get_run"))["runs"] == []
    assert "Notebooks cannot be isolated on this machine. bubblewrap does not work" in message
    assert "SERVICETSUNAMI_ALLOW_UNSANDBOXED" in message


@pytest.mark.slow
async def test_another_tenant_neither_sees_nor_stops_a_run(app: App, client: Client) -> None:
    done = await run(client, "print('mine')")
    await call(client, "save_notebook", name="mine", content="1")
    other = LakeServer(app.services, lambda: replace(app.caller(), tenant="other"))
    async with Client(other) as theirs:
        for tool in ("get_run", "cancel_run"):
            said = await failure(theirs, tool, run_id=done["run_id"])
            assert said.replace(done["run_id"], "x") == (await failure(theirs, tool, run_id="x"))
        assert "No notebook is named" in await failure(theirs, "run_notebook", name="mine")
        files = await run(theirs, "dbutils.fs.put('/theirs', 'x'); dbutils.fs.ls('/')")
        assert "theirs" in text(files)
    assert "theirs" not in text(await run(client, "dbutils.fs.ls('/')"))
    assert sys.platform == "linux"
