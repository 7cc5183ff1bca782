"""Writes the generated pages of docs/reference: settings, commands, tools and routes.

python docs/generate.py            writes them
python docs/generate.py --check    only tells which are out of date (exit code 1)
"""

import inspect
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import typer
from mcp.client import Client
from mcp_types import Prompt, Tool
from pydantic.fields import FieldInfo

from servicetsunami.app import open_app
from servicetsunami.cli.commands import app as commands
from servicetsunami.settings import Settings, variable
from servicetsunami.transport.mcp import LakeServer
from servicetsunami.transport.rest.admitted import NATIVE
from servicetsunami.transport.rest.app import application
from servicetsunami.transport.rest.openapi import SCOPE, document

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate.py: change the source, then run it. -->"


def settings_page() -> str:
    """Every setting with its variable, its default and what it does."""
    rows = [
        (f"`{variable(name, field)}`", _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return _page(
        "Settings",
        "Environment variables of the server, read once at start. A client passes them in the "
        "`env` of its entry; `servicetsunami init` enters those that are set when you run it.",
        _table(("variable", "default", "what it does"), rows),
        "A value that cannot be used ends the start with a `ConfigurationError` that names the "
        "variable.",
    )


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "unset"
    return "empty" if field.default in ("", ()) else f"`{field.default}`"


def cli_page() -> str:
    """Every command with its options."""
    root = typer.main.get_command(commands)
    parts = ["    servicetsunami [--data-dir DIRECTORY] COMMAND", _options(root)]
    for name, command in _commands(root, "servicetsunami"):
        parts += [f"## {name}", inspect.cleandoc(command.help or "")]
        if options := _options(command):
            parts.append(options)
    return _page(
        "Commands",
        "`python -m servicetsunami` is the same command. Errors go to stderr, and the exit code "
        "is then 2.",
        *parts,
    )


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - as below
    """The commands of a group and of the groups in it, by the words that one types."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _options(command: Any) -> str:  # noqa: ANN401 - the type is private to typer
    rows = []
    for option in command.params:
        needed = " Required." if option.required else ""
        rows.append((f"`{_typed(option)}`", f"{option.help}{needed}"))
    return _table(("option", "what it does"), rows) if rows else ""


def _typed(option: Any) -> str:  # noqa: ANN401 - as above
    """An option or an argument as one types it."""
    if option.param_type_name == "argument":
        return option.metavar
    value = "" if option.is_flag else f" {option.metavar}"
    return f"{', '.join(option.opts)}{value}"


async def tools_page() -> str:
    """Every tool as a client is told of it."""
    with tempfile.TemporaryDirectory() as directory:
        async with open_app(Settings(data_dir=Path(directory))) as app:
            server = LakeServer(app.services, app.caller)
            async with Client(server) as client:
                tools = (await client.list_tools()).tools
                templates = (await client.list_resource_templates()).resource_templates
                prompts = (await client.list_prompts()).prompts
    resources = [(f"`{each.uri_template}`", each.description or "") for each in templates]
    return _page(
        "Tools",
        "What a model is given, as the server lists it.",
        _table(
            ("tool", "may", "in one sentence"),
            [(f"[{t.name}](#{t.name})", _kind(t), _first_sentence(t)) for t in tools],
        ),
        *(part for tool in tools for part in _tool(tool)),
        "## Resources",
        _table(("address", "what it holds"), resources),
        "## Prompts",
        "Workflows that a person picks in their client.",
        _table(
            ("prompt", "what it has done", "arguments"),
            [(f"`{each.name}`", each.description or "", _arguments(each)) for each in prompts],
        ),
        "## Instructions",
        "Clients that show a server's instructions to their model show these.",
        "```text\n" + (server.instructions or "").strip() + "\n```",
    )


def _arguments(prompt: Prompt) -> str:
    return ", ".join(
        f"`{each.name}`" + ("" if each.required else " (optional)")
        for each in prompt.arguments or ()
    )


def _tool(tool: Tool) -> Iterator[str]:
    yield f"## {tool.name}"
    yield f"**{tool.title}** ({_kind(tool)}). {tool.description}"
    schema = tool.input_schema
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    yield _table(
        ("argument", "type", "default", "meaning"),
        [
            (
                f"`{name}`",
                _type(argument, definitions),
                "required" if name in required else _json_default(argument),
                _meaning(argument),
            )
            for name, argument in schema.get("properties", {}).items()
        ],
    )
    answer = tool.output_schema or {}
    names = ", ".join(f"`{name}`" for name in answer.get("properties", {}))
    yield f"Answers with {names}."


def _kind(tool: Tool) -> str:
    hints = tool.annotations
    if hints is None or hints.read_only_hint:
        return "read"
    return "delete" if hints.idempotent_hint else "write"


def _first_sentence(tool: Tool) -> str:
    return " ".join((tool.description or "").split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def _json_default(argument: Mapping[str, Any]) -> str:
    value = argument.get("default")
    return "" if value in (None, "") else f"`{value}`"


def _meaning(argument: Mapping[str, Any]) -> str:
    """The description, which an optional argument has inside its first alternative."""
    first = argument.get("anyOf", [{}])[0]
    return argument.get("description") or first.get("description", "")


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        kinds = [_type(each, definitions) for each in schema["anyOf"] if each != {"type": "null"}]
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), definitions)}"
    return str(schema.get("type", "any value"))


def rest_page() -> str:
    """Every route of the OpenAPI document with its scope."""
    paths = document(application().routes)["paths"]
    rows: dict[str, list[tuple[str, ...]]] = {"The native address": [], "The connector": []}
    for path, methods in paths.items():
        for method, operation in methods.items():
            told = " ".join(operation["description"].split())
            row = (f"`{method.upper()} {path}`", f"`{operation[SCOPE]}`", told)
            rows["The native address" if path.startswith(NATIVE) else "The connector"].append(row)
    tables = (
        part
        for title, found in rows.items()
        for part in (f"## {title}", _table(("route", "scope", "what it does"), found))
    )
    return _page(
        "REST",
        "What `/openapi.json` on a server says in full, and `/docs` shows. How to use it: "
        "[use the REST API](../how-to/use-the-rest-api.md).",
        *tables,
    )


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", _NOTE, *(part for part in parts if part)]) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )


PAGES: Mapping[Path, Callable[[], str]] = {
    REFERENCE / "settings.md": settings_page,
    REFERENCE / "cli.md": cli_page,
    REFERENCE / "tools.md": lambda: anyio.run(tools_page),
    REFERENCE / "rest.md": rest_page,
}
"""Every generated page, and what makes the text that it should have."""


def main() -> int:
    """Write the pages, or check them; the exit code."""
    stale = [
        (path, text)
        for path, text in ((path, make()) for path, make in PAGES.items())
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        sys.stdout.write(f"{path.relative_to(REFERENCE.parent)} was out of date\n")
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
