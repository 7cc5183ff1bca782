"""Puts the dashboard together: one HTML page, with its styles and scripts inside."""

import re
from base64 import b64encode
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "static"
MODULES: Final = (
    "dom",
    "format",
    "http",
    "bridge",
    "parts",
    "charts",
    "outputs",
    "dialogs",
    "running",
    "assets",
    "datasets",
    "notebooks",
    "jobs",
    "models",
    "sync",
    "usage",
    "overview",
    "audit",
    "shell",
    "main",
)
"""The modules, each after those that it imports."""
_STYLES: Final = ("vendor/uPlot.min.css", "styles.css")
_IMPORT: Final = re.compile(r'^import (\{[^}]+\}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:const|function|class) (\w+))", re.MULTILINE)


class Page:
    """The page, read and put together when it is first asked for.

    Hosts of MCP Apps take one document that loads nothing, so there is one, for browsers too: its
    policy allows the one script and the one style sheet in it by their hashes.
    """

    @cached_property
    def html(self) -> str:
        """The document."""
        frame = _read("index.html")
        return frame.replace("/*styles*/", self._styles).replace("/*script*/", self._script)

    @cached_property
    def policy(self) -> str:
        """The value of Content-Security-Policy: nothing but what is in the page, and our tools."""
        return "; ".join(
            (
                "default-src 'none'",
                f"script-src '{_hash(self._script)}'",
                f"style-src '{_hash(self._styles)}'",
                "img-src data:",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        )

    @cached_property
    def _styles(self) -> str:
        return "\n".join(map(_read, _STYLES))

    @cached_property
    def _script(self) -> str:
        return "\n".join((_read("vendor/uPlot.iife.min.js"), *map(_module, MODULES)))


def _module(name: str) -> str:
    """A module as a function that is called at once, and whose result is what it exports."""
    text = _read(f"{name}.js")
    exported = ", ".join(_EXPORT.findall(text))
    body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = from_\2;", text))
    return f"const from_{name} = (() => {{\n{body}return {{ {exported} }};\n}})();"


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
