"""The token counts were taken with o200k_base."""

import pytest

from servicetsunami.engines.sql.tokens import estimate

COUNTED = [
    (
        '[[1001,"customer 7","812.45",12.5,"2024-03-11","2024-03-11T10:05:00Z",true,"no'
        'rth"],[1002,"customer 12","7.00",0.25,"2024-03-12","2024-03-12T23:59:59Z",null'
        ',"south"]]',
        82,
    ),
    ("[[1,0,3,7,2,9,4,4,0,1,5,6]]", 25),
    ("[[123456789,42,9876,100200300]]", 14),
    ("[[0.7739560485559633,0.4388784397520523]]", 19),
    ('[["7f1de29e-c0bc-4ba1-8d1c-5b0ba7a9a1b3",3]]', 35),
    ("[[null,null,null,null]]", 6),
    (
        '[["The customer asked for a refund because the parcel arrived two weeks late a'
        'nd was damaged."]]',
        20,
    ),
    ('[{"order_id":1,"region":"north","amount":"3.50"}]', 18),
    ('[["数据湖是一个集中式存储库"]]', 12),
    ('[["R2l0SHViIGlzIGhlcmUgYW5kIHRoZXJlLCBidXQgbm90IGV2ZXJ5d2hlcmU="]]', 42),
    ('[["QWXZPT","AEUIOX","JFKLAX"]]', 16),
]


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_the_estimate_is_seldom_below_and_never_far_above_the_truth(text, tokens):
    assert 0.75 * tokens <= estimate(text) <= 2 * tokens + 2


def test_a_table_of_usual_columns_is_estimated_within_a_tenth():
    text, tokens = COUNTED[0]

    assert 0.95 * tokens <= estimate(text) <= 1.1 * tokens
