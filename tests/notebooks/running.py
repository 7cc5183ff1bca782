"""Short ways to run notebooks, and to read what came of them."""

from typing import Any

from mcp.client import Client

from tests.server.asking import call


def source(*cells: str) -> str:
    """A Databricks SOURCE notebook in Python."""
    return "# Databricks notebook source\n" + "\n\n# COMMAND ----------\n\n".join(cells) + "\n"


def magic(text: str) -> str:
    """A cell in another language."""
    return "\n".join(f"# MAGIC {line}" for line in text.splitlines())


async def run(client: Client, content: str, **arguments: Any) -> dict[str, Any]:
    return await call(client, "run_notebook", content=content, **arguments)


def outputs(run: dict[str, Any], cell: int = 0) -> list[dict[str, Any]]:
    return run["cells"][cell].get("outputs", [])


def text(run: dict[str, Any], cell: int = 0) -> str:
    """What a cell printed and what its last line was."""
    return "".join(each["text"] for each in outputs(run, cell) if "text" in each)
