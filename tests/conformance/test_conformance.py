"""The official MCP conformance suite against our own server."""

from collections.abc import Iterator

import pytest

from tests.clients import node
from tests.conformance.suite import REVISIONS, judge, running_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),  # The first run installs Node and the suite.
    pytest.mark.skipif(not node.has_npm(), reason=node.NO_NPM),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_server() as url:
        yield url


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_scenario_that_the_revision_requires_is_passed(url: str, revision: str) -> None:
    verdicts = judge(url, revision)
    required = [verdict for verdict in verdicts if verdict.required]

    assert len(required) >= 30
    assert [verdict for verdict in required if not verdict.passed] == []
    # The scenario of notifications is left out by the suite itself.
    tasks = [v for v in verdicts if v.scenario.startswith("tasks-") and "notif" not in v.scenario]
    assert [verdict for verdict in tasks if not verdict.passed] == []
    assert len(tasks) == (9 if revision == "2026-07-28" else 0)
