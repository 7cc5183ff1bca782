"""Every statement of both corpora is right, refused by name, or fails where Spark fails."""

from collections import Counter
from typing import Any

import pytest

from tests.engines.sql.dialect.corpora import ORACLE, SHARED, load
from tests.engines.sql.dialect.judging import Bridge, Verdict
from tests.engines.sql.dialect.statements import statements

pytestmark = pytest.mark.slow

ACCEPTED = {Verdict.RIGHT, Verdict.REFUSED, Verdict.BOTH_FAIL}
CORPORA = {path.stem: load(path) for path in (SHARED, ORACLE)}
FAMILIES = sorted(
    {
        (name, case["id"].split(".")[0])
        for name, corpus in CORPORA.items()
        for case in corpus["cases"]
    }
)


@pytest.fixture(scope="module")
def bridge() -> Bridge:
    return Bridge(CORPORA[SHARED.stem]["tables"])


def cases_of(corpus: str, family: str) -> list[dict[str, Any]]:
    return [c for c in CORPORA[corpus]["cases"] if c["id"].split(".")[0] == family]


@pytest.mark.parametrize(("corpus", "family"), FAMILIES, ids=lambda part: part)
def test_nothing_is_answered_differently_in_silence(
    bridge: Bridge, corpus: str, family: str
) -> None:
    judged = {case["id"]: (case["sql"], *bridge.judge(case)) for case in cases_of(corpus, family)}
    wrong = {id_: found for id_, found in judged.items() if found[1] not in ACCEPTED}
    assert wrong == {}


@pytest.mark.parametrize(("corpus", "share"), [(SHARED.stem, 0.95), (ORACLE.stem, 0.93)], ids=str)
def test_nearly_everything_is_answered(bridge: Bridge, corpus: str, share: float) -> None:
    cases = CORPORA[corpus]["cases"][:: 1 if corpus == SHARED.stem else 9]
    counts = Counter(bridge.judge(case)[0] for case in cases)
    assert (counts[Verdict.RIGHT] + counts[Verdict.BOTH_FAIL]) / len(cases) >= share


def test_the_types_of_columns_are_those_of_spark(bridge: Bridge) -> None:
    different = {}
    for case in CORPORA[ORACLE.stem]["cases"][::7]:
        if "types" in case and bridge.judge(case)[0] is Verdict.RIGHT:
            found = list(bridge.translate(case["sql"]).column_types)
            if found != [kind.replace("`", "") for kind in case["types"]]:
                different[case["sql"]] = (case["types"], found)
    assert len(different) <= 5, different


def test_the_oracle_answered_the_statements_as_they_stand() -> None:
    asked = [(case["id"], case["sql"]) for case in CORPORA[ORACLE.stem]["cases"]]
    assert asked == list(statements())
