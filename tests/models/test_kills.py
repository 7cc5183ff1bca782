"""A server that is killed while it deploys goes on with the version that served before."""

import os
import random
import time
from pathlib import Path

import numpy as np
import pytest

from tests.models.making import put, with_data_at
from tests.server.processes import Server

KILLS = int(os.environ.get("MODEL_KILLS", "4"))
"""`MODEL_KILLS=50 pytest tests/models/test_kills.py` kills as often as that."""
PADDING_BYTES = 300_000_000
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.timeout(120 + 20 * KILLS),
]


def make(files: Path, number: int, *, padding: int) -> str:
    """A model that adds `number`, with so much beside it that copying takes its time."""
    folder = files / str(number)
    put(folder, "model.onnx", with_data_at("weights.bin"))
    put(folder, "weights.bin", np.full(4, number, dtype=np.float32).tobytes() + bytes(padding))
    return str(folder)


def answered(server: Server) -> tuple[int, list[float]]:
    given = {"instances": [[0, 0, 0, 0]]}
    answer = server.call("invoke_model", name="model", input=given)
    return answer["version"], answer["predictions"][0]


def test_kills_amid_deploying_leave_a_version_that_serves(tmp_path: Path) -> None:
    chance = random.Random(7)
    server = Server(tmp_path / "data", tmp_path)
    source = make(tmp_path, 1, padding=0)
    server.call("deploy_model", name="model", source=source)
    server.close()
    source = make(tmp_path, 2, padding=PADDING_BYTES)
    version = 1
    for _ in range(KILLS):
        server = Server(tmp_path / "data", tmp_path)
        assert answered(server) == (version, [min(version, 2)] * 4)
        given = {"name": "model", "source": source}
        server.ask("tools/call", {"name": "deploy_model", "arguments": given})
        ends_at = time.monotonic() + chance.uniform(0.05, 1.5)
        while time.monotonic() < ends_at:
            server.call("list_assets", kind="endpoint")
        server.kill()
        server = Server(tmp_path / "data", tmp_path)
        serving, values = answered(server)
        assert serving in {version, version + 1}
        assert values == [min(serving, 2)] * 4
        version = serving
        server.close()

    server = Server(tmp_path / "data", tmp_path)
    done = server.call("deploy_model", name="model", source=source)
    assert (done["version"], done["serving"]) == (version + 1, version + 1)
    assert answered(server) == (version + 1, [2] * 4)
    server.close()
