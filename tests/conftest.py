"""What all tests share."""

import os
from collections.abc import Iterator

import anyio
import pytest

from servicetsunami.engines.sql.engine import PRELOAD
from servicetsunami.engines.workers.zygote import Zygote

# Most tests run one notebook: a second kernel for each would double their work.
os.environ.setdefault("SERVICETSUNAMI_NOTEBOOK_SPARE", "false")

WARM = (
    "pyarrow.compute",
    "pyarrow.parquet",
    "servicetsunami.engines.files.inline",
    "servicetsunami.stores.tables.snapshot",
)
"""What a child that ingests would import for 0.2 s, anew in almost every test.

Not deltalake, which starts a thread: none may exist before a fork.
"""


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """One template process for the apps of all tests: each of its own would cost a second."""
    zygote = Zygote(preload=[*PRELOAD, *WARM])
    yield zygote
    anyio.run(zygote.aclose)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """No coverage in the processes that the test begins.

    Whoever is killed cannot tell of it, and what only adds load need not be measured once more.
    """
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
