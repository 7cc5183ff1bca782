"""Changes one member of a JSON text and leaves every other character as it was.

Client configurations are written by people: they have comments, trailing commas and an
indentation of their own. So the text itself is edited, not a parsed copy of it written back.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

_GAP = re.compile(r"(?:[ \t\r\n]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_ATOM = re.compile(r"-?\d[\d.eE+-]*|true|false|null")
_DEPTH_MAX = 100


class JsonError(Exception):
    """The text cannot be read as JSON, or not be changed as asked; `line` counts from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value with its place in the text; `members` is filled for objects."""

    start: int
    end: int
    value: Json
    members: tuple["Member", ...] = ()

    @property
    def is_object(self) -> bool:
        """Whether members can be added."""
        return isinstance(self.value, dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A key, where it starts, and its value."""

    key: str
    start: int
    node: Node


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    depth: int = field(default=0)

    def fail(self, what: str) -> NoReturn:
        raise JsonError(self.text.count("\n", 0, self.at) + 1, what)

    def peek(self) -> str:
        """Skip blanks and comments; the next character, or '' at the end."""
        gap = _GAP.match(self.text, self.at)
        self.at = gap.end() if gap else self.at
        return self.text[self.at : self.at + 1]

    def expect(self, char: str) -> None:
        if self.peek() != char:
            found = self.text[self.at : self.at + 12].split("\n")[0] or "the end of the file"
            self.fail(f"expected {char!r} but found {found!r}")
        self.at += 1

    def token(self, pattern: re.Pattern[str]) -> Json:
        match = pattern.match(self.text, self.at)
        if match is None:
            found = self.text[self.at : self.at + 12].split("\n")[0] or "the end of the file"
            self.fail(f"expected a value but found {found!r}")
        try:
            value: Json = json.loads(match.group())
        except ValueError:
            self.fail(f"{match.group()[:40]} is not a JSON value")
        self.at = match.end()
        return value

    def node(self) -> Node:
        first, start = self.peek(), self.at
        if first in "{[" and first:
            self.depth += 1
            if self.depth > _DEPTH_MAX:
                self.fail(f"more than {_DEPTH_MAX} levels deep")
            found = self.object(start) if first == "{" else self.array(start)
            self.depth -= 1
            return found
        value = self.token(_STRING if first == '"' else _ATOM)
        return Node(start=start, end=self.at, value=value)

    def object(self, start: int) -> Node:
        self.at += 1
        members: list[Member] = []
        while self.peek() != "}":
            if members:
                self.expect(",")
                if self.peek() == "}":
                    break
            key_start = self.at
            if self.peek() != '"':
                self.expect('"')
            key = str(self.token(_STRING))
            self.expect(":")
            members.append(Member(key=key, start=key_start, node=self.node()))
        self.at += 1
        value = {member.key: member.node.value for member in members}
        return Node(start=start, end=self.at, value=value, members=tuple(members))

    def array(self, start: int) -> Node:
        self.at += 1
        values: list[Json] = []
        while self.peek() != "]":
            if values:
                self.expect(",")
                if self.peek() == "]":
                    break
            values.append(self.node().value)
        self.at += 1
        return Node(start=start, end=self.at, value=values)


def parse(text: str) -> Node:
    """Read JSON with comments and trailing commas; raises JsonError with the line."""
    reader = _Reader(text)
    node = reader.node()
    if reader.peek():
        reader.fail("there is something after the end of the JSON value")
    return node


def find(node: Node, key: str) -> Member | None:
    """The member of that name; of several the last, as JSON readers do."""
    return next((member for member in reversed(node.members) if member.key == key), None)


def put(text: str, path: Sequence[str], value: Json) -> str:
    """Set the member at `path`, adding the objects that lead to it.

    Raises JsonError when the text is broken, or something on the way is not an object.
    """
    node, style = parse(text), _Style.of(text)
    for depth, key in enumerate(path):
        if not node.is_object:
            line = text.count("\n", 0, node.start) + 1
            raise JsonError(line, f"a JSON object {{…}} is needed to hold {key!r}")
        member = find(node, key)
        if member is None:
            for outer in reversed(path[depth + 1 :]):
                value = {outer: value}
            return style.add(text, node, depth, key, value)
        node = member.node
    if node.value == value:
        return text
    return text[: node.start] + style.dump(value, len(path)) + text[node.end :]


def remove(text: str, path: Sequence[str]) -> str:
    """Take the member at `path` out, with its comma and line; no change when it is not there."""
    node, parent = parse(text), None
    member = None
    for key in path:
        member = find(node, key)
        if member is None:
            return text
        parent, node = node, member.node
    if member is None or parent is None:
        return text
    return _without(text, parent, member)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    """How the text is laid out, so that what is added looks like the rest."""

    indent: str
    newline: str
    inline: bool

    @classmethod
    def of(cls, text: str) -> "_Style":
        found = re.search(r"^([ \t]+)\"", text, re.MULTILINE)
        return cls(
            indent=found.group(1) if found else "  ",
            newline="\r\n" if "\r\n" in text else "\n",
            inline="\n" not in text.strip() and len(text.strip()) > len("{ }"),
        )

    def dump(self, value: Json, depth: int) -> str:
        if self.inline:
            return json.dumps(value, ensure_ascii=False)
        text = json.dumps(value, ensure_ascii=False, indent=self.indent)
        return text.replace("\n", self.newline + self.indent * depth)

    def add(self, text: str, parent: Node, depth: int, key: str, value: Json) -> str:
        """Append a member to `parent`, which is `depth` levels deep."""
        new = f"{json.dumps(key, ensure_ascii=False)}: {self.dump(value, depth + 1)}"
        close = parent.end - 1
        last = parent.members[-1].node.end if parent.members else parent.start + 1
        content_end = _content_end(text, last, close)
        head, middle, tail = text[:last], text[last:content_end], text[content_end:]
        trailing_comma = _comma_after(text, last) is not None
        if parent.members and not trailing_comma:
            head += ","
        if self.inline:
            return head + middle + (" " if parent.members else "") + new + tail
        lead = self.newline + self.indent * (depth + 1)
        if "\n" not in text[content_end:close]:
            tail = self.newline + self.indent * depth + text[close:]
        return head + middle + lead + new + ("," if trailing_comma else "") + tail


def _content_end(text: str, start: int, close: int) -> int:
    """Where commas and comments between `start` and the closing brace end."""
    return start + len(text[start:close].rstrip())


def _comma_after(text: str, at: int) -> int | None:
    gap = _GAP.match(text, at)
    place = gap.end() if gap else at
    return place if text[place : place + 1] == "," else None


def _without(text: str, parent: Node, member: Member) -> str:
    index = parent.members.index(member)
    start, end = member.start, member.node.end
    comma = _comma_after(text, end)
    if comma is not None:
        end = comma + 1
    line = text.rfind("\n", 0, start)
    if line >= parent.start and not text[line:start].strip():
        start = line - 1 if text[line - 1] == "\r" else line
    before = text[:start]
    if comma is None and index > 0:
        previous = _comma_after(text, parent.members[index - 1].node.end)
        if previous is not None:
            before = text[:previous] + text[previous + 1 : start].rstrip(" ")
    tail = text[end:]
    if len(parent.members) == 1 and not text[parent.start + 1 : start].strip():
        rest = text[end : parent.end - 1]
        if not rest.strip():
            return text[: parent.start + 1] + text[parent.end - 1 :]
    return before + tail
