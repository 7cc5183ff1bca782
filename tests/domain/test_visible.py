"""Characters that nobody sees are shown; those that scripts and signs are made of stay."""

import json
import unicodedata

import pytest

from servicetsunami.domain.visible import visible

KEPT = (
    "plain text, with\ttabs\nand lines",
    "Grüße, 日本語, العربية, עברית",
    "نمی‌خواهم",  # a non-joiner inside a word
    "क्‍ष",  # a joiner inside a cluster
    "👨‍👩‍👧‍👦 ❤️ ☎︎",
)


@pytest.mark.parametrize("text", KEPT)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pay\u202eload", "pay\\u202eload"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\U000e0041\U000e0042", "\\udb40\\udc41\\udb40\\udc42"),
        ("x\ufe01\ufe02\ufe03", "x\\ufe01\\ufe02\\ufe03"),
        ("x\u200d\u200c\u200d", "x\\u200d\\u200c\\u200d"),
        ("\x1b[2J", "\\u001b[2J"),
        ("a\u2028b\x85c\u3164d", "a\\u2028b\\u0085c\\u3164d"),
    ],
)
def test_what_hides_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_no_invisible_format_character_of_unicode_is_forgotten() -> None:
    joining = {0x200C, 0x200D}
    formats = {code for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf"}
    assert {code for code in formats if visible(chr(code)) == chr(code)} == joining
    assert all(visible(f"a{chr(code)}{chr(code)}").isascii() for code in joining)


def test_json_means_the_same_before_and_after() -> None:
    data = {"k\u202e": ["\U000e0041\U000e0042", "\x1b[0m\x7f\x85", "👨‍👩‍👧", "\\u202e"]}
    assert json.loads(visible(json.dumps(data, ensure_ascii=False))) == data
