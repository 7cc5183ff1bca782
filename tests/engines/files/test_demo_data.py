"""The data of the demo: every type right, nothing rejected."""

import pytest

from servicetsunami.cli.demo_data import data_folder

from .reading import read

pytestmark = pytest.mark.slow

_DATA = data_folder()
_WHOLE = "bigint"


@pytest.mark.parametrize(
    ("name", "rows", "types"),
    [
        ("airlines.csv", 16, {"carrier": "string", "name": "string"}),
        ("airports.csv", 1458, {"faa": "string", "lat": "double", "alt": _WHOLE, "tz": _WHOLE}),
        ("planes.csv", 3322, {"year": _WHOLE, "speed": _WHOLE, "tailnum": "string"}),
        (
            "weather.csv",
            26115,
            {"temp": "double", "wind_gust": "double", "wind_dir": _WHOLE, "time_hour": "timestamp"},
        ),
        (
            "flights.csv.zip",
            336776,
            {
                "dep_time": _WHOLE,
                "arr_delay": _WHOLE,
                "tailnum": "string",
                "time_hour": "timestamp",
            },
        ),
    ],
)
def test_the_demo_data_is_read_without_a_reject(
    name: str, rows: int, types: dict[str, str]
) -> None:
    reading = read(_DATA / name)

    assert len(reading.rows) == rows
    assert reading.rejects.count == 0
    assert types.items() <= reading.types.items()
