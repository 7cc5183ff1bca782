"""What arrives on stdin becomes messages, whatever the client did to its texts."""

import json
import os

import pytest

from servicetsunami.transport.stdio import lines, mended


async def test_lines_are_whole_however_they_arrive() -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"a": 1}\n{"b"')
    seen = []
    async for line in lines(reading):
        seen.append(line)
        if len(seen) == 1:
            os.write(writing, ': "ü"}\n'.encode())
            os.close(writing)

    assert [json.loads(line) for line in seen] == [{"a": 1}, {"b": "ü"}]
    os.close(reading)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (r'"\ud83d\ude00"', "😀"),
        (r'"cut \ud83d"', "cut \ufffd"),
        (r'"\ude00 cut"', "\ufffd cut"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (r'"\\ud83d"', r"\ud83d"),
        (r'"\\\ud83d"', "\\\ufffd"),
        (r'"plain \u00fc"', "plain ü"),
    ],
)
def test_half_a_character_does_not_lose_the_message(sent: str, text: str) -> None:
    assert json.loads(mended(sent)) == text
