"""The reference page is true: its functions exist, its refusals are refusals."""

import re

import pytest
from sqlglot import exp

from servicetsunami.domain.dataset import Column
from servicetsunami.engines.sql.dialect import translate
from servicetsunami.engines.sql.dialect.calls import name_of
from servicetsunami.engines.sql.dialect.library import FUNCTIONS, TABLE_FUNCTIONS
from servicetsunami.engines.sql.gate import admit
from servicetsunami.errors import SqlRefused
from tests.engines.sql.dialect import reference
from tests.engines.sql.dialect.corpora import ORACLE, SHARED, load

COLUMNS = (Column(name="a", type="string"), Column(name="b", type="string"))
REFUSED = re.findall(
    r"^\| `(SELECT .*?)` \| ",
    reference.PAGE.read_text(encoding="utf-8").partition("## Refused")[2],
    re.MULTILINE,
)
# Written with a syntax of their own, so that they are no calls in the tree.
OWN_SYNTAX = {"any", "overlay", "position", "substr", "substring", "trim"}


def test_the_table_of_functions_is_current() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), (
        "Run: python -m tests.engines.sql.dialect.reference"
    )


@pytest.mark.parametrize("sql", REFUSED)
def test_what_the_page_calls_refused_is_refused(sql: str) -> None:
    with pytest.raises(SqlRefused):
        translate(admit(sql, catalog="main"), columns={"t0": COLUMNS}, parameters={})


def test_every_function_of_the_allow_list_was_compared_with_spark() -> None:
    called = set(OWN_SYNTAX)
    for case in [*load(SHARED)["cases"], *load(ORACLE)["cases"]]:
        if "error_class" not in case:
            called |= set(re.findall(r"\b([a-z_0-9]+)\(", case["sql"].lower()))
    databricks_only, always_fails = {"charindex", "iff"}, {"raise_error"}
    assert {*FUNCTIONS, *TABLE_FUNCTIONS} - called - databricks_only - always_fails == set()


def test_a_functions_name_survives_the_parser() -> None:
    tree = admit(
        "SELECT datediff(MONTH, a, b), log(2, 8), if(true, 1, 2) FROM t", catalog="main"
    ).tree
    assert tree is not None
    assert [name_of(call) for call in tree.find_all(exp.Anonymous)] == ["datediff", "log", "if"]
