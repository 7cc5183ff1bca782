"""Reads statements.sql: one statement a line, or many expressions on a line that starts with +."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

STATEMENTS = Path(__file__).parent / "statements.sql"


def split(text: str) -> Iterator[str]:
    """Cut a list of expressions at its outer commas."""
    depth, start, at = 0, 0, 0
    while at < len(text):
        letter = text[at]
        if letter in "'\"`":
            at = _closing(text, at)
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            yield text[start:at].strip()
            start = at + 1
        at += 1
    yield text[start:].strip()


def _closing(text: str, at: int) -> int:
    raw = text[at - 1 : at] == "r" and not text[at - 2 : at - 1].isalnum()
    end = at + 1
    while end < len(text) and text[end] != text[at]:
        end += 2 if text[end] == "\\" and not raw else 1
    return end


def statements() -> Iterator[tuple[str, str]]:
    """Give every statement with its id, such as `strings.12`."""
    family, count = "", Counter[str]()
    for line in STATEMENTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            family = line[3:].strip().replace(" ", "_")
        elif line.strip() and not line.startswith("# "):
            for sql in _expanded(line):
                count[family] += 1
                yield f"{family}.{count[family]}", sql


def _expanded(line: str) -> list[str]:
    if not line.startswith("+ "):
        return [line]
    listed, _, source = line[2:].partition(" @ ")
    tail = f" FROM {source}" if source else ""
    return [f"SELECT {expression}{tail}" for expression in split(listed)]
