"""Puts our entry into a client's configuration file, and takes it out again."""

import difflib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from servicetsunami.cli import jsonc
from servicetsunami.cli.jsonc import Json, JsonError
from servicetsunami.errors import ConfigurationError

_BACKUP_SUFFIX = ".servicetsunami-backup"
_SIZE_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to become of a file: its content before and after; None: there is no file."""

    path: Path
    before: bytes | None
    after: bytes | None
    keeps_backup: bool = False
    drops_backup: bool = False

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after

    @property
    def backup(self) -> Path:
        """Where the file as it was before our first change is kept."""
        return _backup_of(self.path)

    def diff(self) -> str:
        """The change as a unified diff; empty when there is none."""
        before, after = (_lines(content) for content in (self.before, self.after))
        names = (
            str(self.path) if self.before is not None else os.devnull,
            str(self.path) if self.after is not None else os.devnull,
        )
        return "\n".join(difflib.unified_diff(before, after, *names, lineterm=""))

    def apply(self) -> None:
        """Do it: each file is replaced in one step, so that no reader sees half of one.

        Raises ConfigurationError when the file cannot be written; it is then as it was.
        """
        if not self.changes:
            return
        try:
            if self.keeps_backup and self.before is not None:
                _replace(self.backup, self.before, like=self.path)
            if self.after is None:
                self.path.unlink(missing_ok=True)
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                _replace(self.path, self.after, like=self.path)
            if self.drops_backup:
                self.backup.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"{self.path} could not be written: {error.strerror}.",
                "Check the rights of the file and its folder, then run the command again.",
            ) from error


def plan_entry(path: Path, entry_path: tuple[str, str], entry: Json) -> Plan:
    """Plan to have `entry` at `entry_path`; everything else in the file stays as it is.

    Raises ConfigurationError, naming file and line, when the file cannot be understood.
    """
    path = path.resolve()
    before = _read(path)
    text = _text(path, before)
    if not text.strip():
        after, had_entry = (
            json.dumps({entry_path[0]: {entry_path[1]: entry}}, indent=2) + "\n",
            False,
        )
    else:
        try:
            after = jsonc.put(text, entry_path, entry)
            had_entry = jsonc.remove(text, entry_path) != text
        except JsonError as error:
            raise _broken(path, error) from error
    return Plan(
        path=path,
        before=before,
        after=_encoded(after, before),
        # The first change is the one that brings our entry in.
        keeps_backup=before is not None and (not had_entry or not _backup_of(path).exists()),
    )


def plan_removal(path: Path, entry_path: tuple[str, str]) -> Plan:
    """Plan to take our entry out.

    When nothing else has changed since it was put in, the file becomes exactly what it was, or
    goes when it was not there before.
    """
    path = path.resolve()
    before = _read(path)
    if before is None:
        return Plan(path=path, before=None, after=None)
    text, backup = _text(path, before), _read(_backup_of(path))
    try:
        after = jsonc.remove(text, entry_path)
        rest = jsonc.parse(after).value if after.strip() else {}
    except JsonError as error:
        raise _broken(path, error) from error
    if after == text:
        return Plan(path=path, before=before, after=before)
    if backup is None:
        is_ours = rest in ({}, {entry_path[0]: {}})
        return Plan(path=path, before=before, after=None if is_ours else _encoded(after, before))
    if _is_what_it_was(rest, backup, entry_path):
        return Plan(path=path, before=before, after=backup, drops_backup=True)
    return Plan(path=path, before=before, after=_encoded(after, before))


def read_entry(path: Path, entry_path: tuple[str, str]) -> Json:
    """Our entry in a client's file, or None; raises ConfigurationError for a broken file."""
    content = _read(path)
    text = _text(path, content)
    if not text.strip():
        return None
    try:
        node = jsonc.parse(text)
    except JsonError as error:
        raise _broken(path, error) from error
    for key in entry_path:
        member = jsonc.find(node, key)
        if member is None:
            return None
        node = member.node
    return node.value


def _is_what_it_was(rest: Json, backup: bytes, entry_path: tuple[str, str]) -> bool:
    """Whether what is left without our entry means the same as the backup without it."""
    try:
        text = backup.decode("utf-8-sig")
        original = jsonc.parse(jsonc.remove(text, entry_path)).value if text.strip() else {}
    except (UnicodeDecodeError, JsonError):
        return False
    return _without_empty(rest, entry_path[0]) == _without_empty(original, entry_path[0])


def _without_empty(value: Json, key: str) -> Json:
    if isinstance(value, dict) and value.get(key) == {}:
        return {name: member for name, member in value.items() if name != key}
    return value


def _backup_of(path: Path) -> Path:
    return path.with_name(path.name + _BACKUP_SUFFIX)


def _read(path: Path) -> bytes | None:
    try:
        if path.stat().st_size > _SIZE_MAX_BYTES:
            raise ConfigurationError(
                f"{path} is larger than {_SIZE_MAX_BYTES // 2**20} MiB.",
                "This does not look like a client's configuration: check the path.",
            )
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            f"{path} could not be read: {error.strerror}.", "Check its rights, then try again."
        ) from error


def _text(path: Path, content: bytes | None) -> str:
    try:
        return (content or b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path} is not UTF-8 text.", "Save it as UTF-8 in an editor. Nothing was changed."
        ) from error


def _encoded(text: str, before: bytes | None) -> bytes:
    has_mark = (before or b"").startswith(b"\xef\xbb\xbf")
    return text.encode("utf-8-sig" if has_mark else "utf-8")


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode("utf-8-sig").splitlines()


def _broken(path: Path, error: JsonError) -> ConfigurationError:
    return ConfigurationError(
        f"{path}, line {error.line}: {error.what}.",
        "Correct that line in an editor, then run the command again. Nothing was changed.",
    )


def _replace(path: Path, content: bytes, *, like: Path) -> None:
    """Write beside the file, then rename; keeps the rights of `like` when that exists."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if like.exists():
            Path(name).chmod(like.stat().st_mode & 0o7777)
        Path(name).replace(path)
    finally:
        # Only there when something went wrong.
        Path(name).unlink(missing_ok=True)
