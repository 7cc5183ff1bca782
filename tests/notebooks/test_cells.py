"""Databricks SOURCE and Jupyter texts are read as Databricks reads them, and kept as they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.notebook_cells import (
    Cell,
    CellKind,
    ParsedNotebook,
    parse,
    read_run,
    to_jupyter,
    to_source,
    with_parameters,
)
from servicetsunami.errors import InvalidInput

SOURCE = """\
# Databricks notebook source
# MAGIC %md
# MAGIC # Title
# MAGIC
# MAGIC text

# COMMAND ----------

# DBTITLE 1,Read it
dbutils.widgets.text("a", "1")
x = 1

# COMMAND ----------

# MAGIC %sql
# MAGIC SELECT 1
# MAGIC   + 2

# COMMAND ----------

# MAGIC %run ./other $a="5" $b='x y' $c=z

# COMMAND ----------

# MAGIC %pip install pandas

# COMMAND ----------

# MAGIC %sh
# MAGIC ls /
"""
SQL = """\
-- Databricks notebook source
SELECT 1

-- COMMAND ----------

-- MAGIC %python
-- MAGIC print(1)

-- COMMAND ----------

-- MAGIC %md
-- MAGIC # Title
"""


def test_a_source_notebook_has_cells_of_every_language() -> None:
    cells = parse(SOURCE).cells

    assert [(cell.kind.value, cell.title) for cell in cells] == [
        ("md", None),
        ("python", "Read it"),
        ("sql", None),
        ("run", None),
        ("pip", None),
        ("sh", None),
    ]
    assert cells[0].source == "# Title\n\ntext"
    assert cells[1].source == 'dbutils.widgets.text("a", "1")\nx = 1'
    assert cells[2].source == "SELECT 1\n  + 2"
    assert cells[4].source == "install pandas"
    called = read_run(cells[3])
    assert (called.path, called.parameters) == ("./other", {"a": "5", "b": "x y", "c": "z"})


def test_a_sql_notebook_is_sql_unless_a_cell_says_otherwise() -> None:
    notebook = parse(SQL)

    assert notebook.language == "sql"
    assert [cell.kind for cell in notebook.cells] == [
        CellKind.SQL,
        CellKind.PYTHON,
        CellKind.MARKDOWN,
    ]


@pytest.mark.parametrize("text", [SOURCE, SQL])
def test_a_text_in_databricks_own_form_survives_both_ways(text: str) -> None:
    assert to_source(parse(text)) == text
    assert to_source(parse(to_jupyter(parse(text)))) == text


def test_line_ends_of_windows_change_nothing() -> None:
    assert parse(SOURCE.replace("\n", "\r\n")) == parse(SOURCE)


def test_text_that_is_no_notebook_is_one_python_cell() -> None:
    [cell] = parse("print(1)\n\n# COMMAND ----------\nprint(2)\n").cells

    assert cell.kind is CellKind.PYTHON
    assert "COMMAND" in cell.source


def test_a_jupyter_notebook_keeps_titles_tags_and_magics() -> None:
    content = {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# a\n", "b"]},
            {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "n = '1'"},
            {"cell_type": "code", "metadata": {}, "source": "%%sql\nSELECT 1", "outputs": []},
            {"cell_type": "code", "metadata": {}, "source": "%time 1"},
            {"cell_type": "raw", "metadata": {}, "source": "raw"},
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }

    cells = parse(json.dumps(content)).cells

    assert [cell.kind.value for cell in cells] == ["md", "python", "sql", "python", "md"]
    assert cells[0].source == "# a\nb"
    assert cells[2].source == "SELECT 1"
    given = with_parameters(cells, {"n": "2", "not a name": "x"})
    assert [cell.source for cell in given[1:3]] == ["n = '1'", "n = '2'"]


@pytest.mark.parametrize(
    "text",
    ["{", '{"a": 1}', '{"cells": [1]}', "// Databricks notebook source\nval x = 1", '{"cells": 3}',
     '{"cells": [], "metadata": {"language_info": {"name": "R"}}}'],
)  # fmt: skip
def test_what_cannot_run_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)


def test_names_are_paths_and_relative_ones_begin_beside_the_notebook() -> None:
    name = NotebookName.parse("/team/etl/main.py")

    assert name == "team/etl/main"
    assert name.beside("./lib") == "team/etl/lib"
    assert name.beside("../x/y") == "team/x/y"
    assert name.beside("/z") == "z"
    for wrong in ("", "../a", "a//b", "a/..", "x" * 200, "a\nb", "/".join("abcdefghijk")):
        with pytest.raises(InvalidInput):
            NotebookName.parse(wrong)


_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1
).filter(lambda text: text.strip() == text and not text.startswith(("%", "#", "-")))
_CELLS = st.lists(
    st.builds(
        Cell,
        kind=st.sampled_from([CellKind.PYTHON, CellKind.SQL, CellKind.MARKDOWN, CellKind.SHELL]),
        source=_TEXT,
        title=st.none() | _TEXT,
    ),
    min_size=1,
    max_size=5,
)


@given(cells=_CELLS)
def test_whatever_cells_hold_comes_back_from_both_formats(cells: list[Cell]) -> None:
    notebook = ParsedNotebook(format=parse("x").format, language="python", cells=tuple(cells))

    assert parse(to_source(notebook)).cells == notebook.cells
    assert parse(to_jupyter(notebook)).cells == notebook.cells
