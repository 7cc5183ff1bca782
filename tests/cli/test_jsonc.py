"""One member of a JSON text is changed; everything else stays, to the letter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicetsunami.cli import jsonc
from servicetsunami.cli.jsonc import JsonError

PATH = ("mcpServers", "servicetsunami")
ENTRY = {"command": "/bin/servicetsunami", "args": ["serve"]}

COMMENTED = """\
{
    // What I use every day.
    "mcpServers": {
        "weather": {
            "command": "weather", /* the good one */
        }, // keep
    },
    "theme": "dark",
}
"""

_keys = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _keys,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=12,
)


def test_comments_trailing_commas_and_indentation_survive_a_change_and_its_removal() -> None:
    changed = jsonc.put(COMMENTED, PATH, ENTRY)

    assert "// What I use every day." in changed
    assert '        "servicetsunami": {\n            "command": "/bin/servicetsunami",' in changed
    assert jsonc.remove(changed, PATH) == COMMENTED


def test_the_change_can_be_read_back() -> None:
    assert jsonc.parse(jsonc.put(COMMENTED, PATH, ENTRY)).value == {
        "mcpServers": {"weather": {"command": "weather"}, "servicetsunami": ENTRY},
        "theme": "dark",
    }


def test_the_same_change_twice_is_one_change() -> None:
    once = jsonc.put(COMMENTED, PATH, ENTRY)

    assert jsonc.put(once, PATH, ENTRY) == once


def test_an_older_entry_is_replaced_in_its_place() -> None:
    text = '{\n  "mcpServers": {\n    "servicetsunami": {"command": "old"},\n    "b": {}\n  }\n}\n'

    changed = jsonc.put(text, PATH, ENTRY)

    assert list(json.loads(changed)["mcpServers"]) == ["servicetsunami", "b"]
    assert "old" not in changed


@pytest.mark.parametrize(
    "text",
    [
        '{"mcpServers":{}}',
        '{"mcpServers":{"a":{"command":"b"}},"c":1}',
        '{\n\t"mcpServers": {\n\t\t"x": {"command": "y"}\n\t}\n}',
        '{\r\n  "mcpServers": {\r\n    "x": 1\r\n  },\r\n  "z": 2\r\n}\r\n',
        '{\n  "a": 1, // one\n  "mcpServers": {\n    "x": 1 // last\n  }\n}\n',
    ],
)
def test_removal_undoes_the_change_to_the_letter(text: str) -> None:
    assert jsonc.remove(jsonc.put(text, PATH, ENTRY), PATH) == text


def test_removal_of_the_first_of_several_keeps_the_others() -> None:
    text = '{\n  "mcpServers": {\n    "servicetsunami": {},\n    "b": {"c": 1}\n  }\n}\n'

    assert jsonc.remove(text, PATH) == '{\n  "mcpServers": {\n    "b": {"c": 1}\n  }\n}\n'


def test_removal_changes_nothing_when_there_is_nothing_to_remove() -> None:
    assert jsonc.remove(COMMENTED, PATH) == COMMENTED
    assert jsonc.remove(COMMENTED, ("nowhere", "servicetsunami")) == COMMENTED


def test_the_missing_parents_are_added() -> None:
    assert jsonc.parse(jsonc.put("{}", PATH, ENTRY)).value == {"mcpServers": {PATH[1]: ENTRY}}
    assert json.loads(jsonc.put('{\n  "a": 1\n}\n', PATH, ENTRY))["a"] == 1


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ('{\n  "a": 1\n  "b": 2\n}', 3, "expected ','"),
        ('{\n  "a": oops\n}', 2, "expected a value"),
        ("{\n  a: 1\n}", 2, "expected '\"'"),
        ('{"a": 1', 1, "the end of the file"),
        ('{"a": "never closed\n}', 1, "expected a value"),
        ('{"a": 01}', 1, "not a JSON value"),
        ('{}\n{"second": 1}', 2, "after the end"),
        ("[" * 200, 1, "levels deep"),
    ],
)
def test_a_broken_text_is_refused_with_its_line(text: str, line: int, part: str) -> None:
    with pytest.raises(JsonError) as caught:
        jsonc.put(text, PATH, ENTRY)

    assert caught.value.line == line
    assert part in caught.value.what


@pytest.mark.parametrize("text", ["[]", '{"mcpServers": []}', '{"mcpServers": null}'])
def test_something_else_than_an_object_on_the_way_is_refused(text: str) -> None:
    with pytest.raises(JsonError, match="object"):
        jsonc.put(text, PATH, ENTRY)


@given(value=_json, indent=st.sampled_from([None, 1, 2, 4, "\t"]))
def test_all_json_is_read_as_the_standard_library_reads_it(
    value: object, indent: int | str | None
) -> None:
    assert jsonc.parse(json.dumps(value, indent=indent)).value == value


@given(
    members=st.dictionaries(_keys, _json, max_size=4),
    servers=st.dictionaries(_keys, _json, max_size=3),
    indent=st.sampled_from([None, 1, 2, 4, "\t"]),
)
def test_only_our_member_changes_in_any_object(
    members: dict, servers: dict, indent: int | str | None
) -> None:
    before = members | {"mcpServers": servers}
    text = json.dumps(before, indent=indent)

    changed = jsonc.put(text, PATH, ENTRY)

    assert json.loads(changed) == members | {"mcpServers": servers | {"servicetsunami": ENTRY}}
    if "servicetsunami" not in servers:
        assert jsonc.remove(changed, PATH) == text
