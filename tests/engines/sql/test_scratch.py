import signal
import subprocess
import sys

from servicetsunami.engines.sql.scratch import Scratch

HOLD = (
    "import sys, pathlib; from servicetsunami.engines.sql.scratch import Scratch;"
    "scratch = Scratch(pathlib.Path(sys.argv[1])); print(scratch.path.name, flush=True);"
    "sys.stdin.read()"
)


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_is_not(tmp_path):
    alive = Scratch(tmp_path)
    (alive.path / "file").touch()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        left = tmp_path / process.stdout.readline().strip()
        (left / "big").write_bytes(b"x")
        Scratch(tmp_path)
        assert left.exists()
        process.send_signal(signal.SIGKILL)

    Scratch(tmp_path)
    assert not left.exists()
    assert (alive.path / "file").exists()
