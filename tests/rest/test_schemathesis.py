"""Whatever fits the OpenAPI document is served or refused as it says; what does not is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# A request that fits the document may still be one that cannot be done (422); only what does not
# fit may be answered with 400, which is what this keeps apart.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "403", "404", "409", "422"]
"""


# The other nouns of the connector have the same handlers as the native ones.
@pytest.mark.parametrize(
    "routes",
    ["^/api/v1/", "^/servicetsunami/v1/databricks/(catalogs|serving|vector-search)"],
    ids=["native", "connector"],
)
def test_no_request_finds_a_fault(
    server: HttpServer, issuer: Issuer, tmp_path: Path, routes: str
) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        f"{server.url}/openapi.json",
        f"--header=Authorization: Bearer {issuer.token(f'fuzzed-{len(routes)}')}",
        f"--include-path-regex={routes}",
        "--phases=examples,coverage,fuzzing,stateful",
        "--checks=all",
        "--max-examples=3",
        # Threads that parse Python at once trip over each other in CPython 3.11.
        "--workers=1",
        "--seed=1",
        "--continue-on-failure",
        "--warnings=off",
        "--no-color",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=800
    )

    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    print("\n".join(done.stdout.splitlines()[-8:]))
    assert "Exception in ASGI" not in server.logged()
