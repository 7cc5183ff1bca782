"""A schedule in words says what the fire times do."""

import json
from pathlib import Path

import pytest

from servicetsunami.domain.cron import Cron
from servicetsunami.domain.job import Schedule
from servicetsunami.services.schedule_words import in_words

VECTORS = Path(__file__).parents[1] / "domain" / "quartz_vectors.json"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 0 6 ? * MON-FRI", "At 06:00, Monday through Friday"),
        ("0 15 10 ? * 6L", "At 10:15, on the last Friday of the month"),
        ("0 15 10 ? * L", "At 10:15, only on Saturday"),
        ("0 0 6 ? * 1", "At 06:00, only on Sunday"),
        ("0 0/15 9-17 * * ?", "Every 15 minutes, between 09:00 and 17:59"),
    ],
)
def test_expressions_in_words(expression: str, words: str) -> None:
    schedule = Schedule(cron=Cron.parse(expression), timezone_id="Europe/Berlin")
    assert in_words(schedule) == f"{words} (Europe/Berlin)"
    paused = Schedule(cron=Cron.parse(expression), timezone_id="UTC", is_paused=True)
    assert in_words(paused) == f"{words} (UTC, paused)"


def test_every_expression_that_quartz_takes_has_words() -> None:
    taken = {text for _, _, text, fires in json.loads(VECTORS.read_text()) if fires != "ERROR"}
    assert len(taken) > 200
    for text in taken:
        assert in_words(Schedule(cron=Cron.parse(text), timezone_id="UTC"))
