"""Asks the real Quartz 2.3.2 when expressions fire, and writes quartz_vectors.json.

A tool for developers, not a part of the tests: it needs Debian's libquartz2-java, libslf4j-java
and a JDK. Run: python -m tests.domain.make_quartz_vectors
"""

import itertools
import json
import random
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
JARS = "/usr/share/java/quartz2.jar:/usr/share/java/slf4j-api.jar:/usr/share/java/slf4j-nop.jar"
ZONES = (
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
)
STARTS = (
    "2024-02-27T23:59:58Z",
    "2026-03-08T06:30:00Z",
    "2026-03-29T00:30:00Z",
    "2026-10-25T00:10:00Z",
    "2026-11-01T05:10:00Z",
    "2026-12-31T23:59:59Z",
)
EXPRESSIONS = (
    "0 0 6 * * ?", "0 0/15 * * * ?", "0 30 2 * * ?", "0 30 1 * * ?", "0 0 0 1 * ?",
    "0 0 0 L * ?", "0 0 0 LW * ?", "0 0 0 L-3 * ?", "0 0 12 15W * ?", "0 0 12 1W * ?",
    "0 0 12 31W * ?", "0 15 10 ? * MON-FRI", "0 15 10 ? * 6L", "0 15 10 ? * 6#3",
    "0 15 10 ? * FRI#5", "0 15 10 ? * L", "0 0 0 29 2 ?", "0 0 12 1/5 * ?", "0 0 22-2 * * ?",
    "0 0 9 ? * FRI-MON", "5,10,50 * * * * ?", "0/20 0/30 8-10 ? * 2,4", "0 11 11 11 11 ?",
    "*/7 * * * * ?", "0 */7 1,2 * * ?", "0 0 0 ? JAN,JUN SUN", "0 0 12 * * ? 2027",
    "0 0 12 * * ? 2024/2", "0 0 12 * * ? 2020-2022", "10-15/2 59 23 31 12 ?", "0 5/70 * * * ?",
    "0 0 0 0 * ?", "0 0 0 32 * ?", "0 0 24 * * ?", "60 0 0 * * ?", "0 0 0 * 13 ?",
    "0 0 0 ? * 8", "0 0 0 * * *", "0 0 0 ? * ?", "0 0 0 1 * 2", "0 0 0 ? * MON#6",
    "0 0 0 ? * XYZ", "nonsense", "0 0", "? 0 0 1 * ?", "0 0 0 L-31 * ?", "0 0 0 32W * ?",
)  # fmt: skip


def expressions() -> list[str]:
    """The ones above, and two hundred made of parts by chance (always the same)."""
    pick = random.Random(5).choice
    seconds = ("0", "30", "*/15", "5-10", "0,20,40", "59", "0/25")
    minutes = ("0", "30", "*/20", "15-45/10", "0,59", "5", "50/7")
    hours = ("0", "1", "2", "3", "*", "*/6", "9-17", "22-3", "23", "1,2,3", "0/5")
    days = ("*", "1", "15", "31", "L", "LW", "15W", "1W", "*/10", "28-31", "1,15", "L-2", "30W")
    months = ("*", "1", "2", "MAR", "*/3", "6-8", "OCT,NOV", "11-2", "12")
    weekdays = ("*", "MON", "1", "7", "2-6", "FRI-SUN", "6L", "2#1", "THU#4", "1#5", "L", "SAT,SUN")
    made = []
    for _ in range(200):
        head = f"{pick(seconds)} {pick(minutes)} {pick(hours)}"
        is_monthly = pick((True, False))
        tail = (
            f"{pick(days)} {pick(months)} ?" if is_monthly else f"? {pick(months)} {pick(weekdays)}"
        )
        made.append(f"{head} {tail}")
    return [*EXPRESSIONS, *made]


def main() -> None:
    """Write the vectors."""
    places = itertools.cycle(itertools.product(ZONES, STARTS))
    cases = [(*next(places), expression) for expression in expressions() for _ in range(3)]
    text = "\n".join("|".join(case) for case in cases)
    done = subprocess.run(
        ["java", "-cp", JARS, str(HERE / "QuartzVectors.java")],
        input=text, capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = done.stdout.splitlines()
    vectors = [
        [*case, "ERROR" if answer == "ERROR" else answer.split(",") if answer else []]
        for case, answer in zip(cases, answers, strict=True)
    ]
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    (HERE / "quartz_vectors.json").write_text(f"[\n{lines}\n]\n")
    print(len(vectors), "cases")


if __name__ == "__main__":
    main()
