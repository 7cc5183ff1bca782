"""Writes the table of functions into docs/reference/sql.md from the allow-list.

python -m tests.engines.sql.dialect.reference
"""

from pathlib import Path

from servicetsunami.engines.sql.dialect.library import FAMILIES, TABLE_FUNCTIONS

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "sql.md"
BEGIN = "<!-- functions: written by tests/engines/sql/dialect/reference.py -->\n"
END = "<!-- end of functions -->"


def table() -> str:
    """Write the families and their functions, in alphabetical order."""
    rows = [(family, sorted(functions)) for family, functions in FAMILIES.items()]
    rows.append(("Rows from values (in FROM, LATERAL VIEW, SELECT)", sorted(TABLE_FUNCTIONS)))
    lines = ["| family | functions |", "|---|---|"]
    lines += [
        f"| {family} | {', '.join(f'`{name}`' for name in names)} |" for family, names in rows
    ]
    return "\n".join(lines) + "\n"


def page() -> str:
    """Give the page with its table as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
