"""The commands of the page about REST are typed, in their order, against a real server."""

import os
import subprocess
from pathlib import Path

import pytest

from servicetsunami.transport.problems import STATUSES
from tests.docs.pages import DOCS, blocks
from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer

PAGE = DOCS / "how-to" / "use-the-rest-api.md"


@pytest.mark.slow
def test_every_command_of_the_page_works(
    server: HttpServer, issuer: Issuer, tmp_path: Path
) -> None:
    commands = [block.text for block in blocks(PAGE) if block.language == "sh"]
    assert len(commands) >= 8
    environment = {"PATH": os.environ["PATH"], "LAKE": server.url, "KEY": issuer.token("page")}
    for command in commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_page_tells_every_status() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [status for status in set(STATUSES.values()) if str(status) not in page] == []
