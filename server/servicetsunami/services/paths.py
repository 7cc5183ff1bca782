"""Which local files a caller may ingest."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from servicetsunami.errors import Denied, InvalidInput, NotFound

Found = TypeVar("Found")

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class AllowedRoots:
    """The directories that files may come from.

    Links and `..` are resolved before the check, so they cannot lead out. Hidden files and
    folders below a root (`.ssh`, `.aws`, this server's own data) are left out: a root that is
    itself hidden has to be named on purpose.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(root.expanduser().resolve() for root in roots)

    def locate(self, source: str, *, private: Path, may_be_folder: bool = False) -> Path:
        """Return the real path of an existing regular file below one of the roots.

        Raises Denied when it is somewhere else or below `private`, NotFound when it does not
        exist, InvalidInput when it is not a regular file, nor a folder where that may be.
        """

        def found(path: Path, source: str) -> Path:
            is_folder = may_be_folder and path.is_dir()
            return path if is_folder else self._existing_file(path, source)

        return self._checked(source, private, found)

    def locate_all(self, source: str, *, private: Path, suffixes: Sequence[str]) -> dict[str, Path]:
        """The file of that path, or all files below that folder that end in one of `suffixes`.

        Each is called by its path from the folder. Hidden ones, and links that lead elsewhere, are
        left out. Raises what `locate` raises, InvalidInput for a file that ends otherwise.
        """

        def found(path: Path, source: str) -> dict[str, Path]:
            if not path.is_dir():
                path = self._existing_file(path, source)
                if path.suffix.lower() not in suffixes:
                    raise InvalidInput(
                        f"{source!r} is no document that can be read.",
                        f"Documents end in {', '.join(suffixes)}.",
                    )
                return {path.name: path}
            return dict(_below(path, private.resolve(), suffixes))

        return self._checked(source, private, found)

    def _checked(self, source: str, private: Path, then: Callable[[Path, str], Found]) -> Found:
        """What `then` makes of a path, after all checks of where it leads."""
        text = source.removeprefix("file://")
        if _ADDRESS.match(text):
            raise InvalidInput(
                f"{source[:200]!r} is an address of a kind that cannot be read here.",
                "Download the file first, then give its path.",
            )
        if "\0" in text or not text.strip():
            raise InvalidInput("The source is not a usable path.", "Give the path of a local file.")
        if not self._roots:
            raise Denied(
                "This server may not read local files.",
                "Send the rows themselves, or have SERVICETSUNAMI_ALLOWED_ROOTS set.",
            )
        try:
            given = Path(text).expanduser()
            path = (given if given.is_absolute() else self._roots[0] / given).resolve()
            self._check_allowed(path, source)
            if path.is_relative_to(private.resolve()):
                raise Denied(
                    f"{source!r} belongs to this server's own data.",
                    "Ask for datasets with query_dataset.",
                )
            return then(path, source)
        except (OSError, RuntimeError) as error:
            raise InvalidInput(
                f"The path {source[:200]!r} cannot be followed.",
                "Give the plain path of a file that this server may read.",
            ) from error

    def _check_allowed(self, path: Path, source: str) -> None:
        for root in self._roots:
            if path.is_relative_to(root):
                hidden = [part for part in path.relative_to(root).parts if part.startswith(".")]
                if not hidden:
                    return
                raise Denied(
                    f"{source!r} is below the hidden folder or file {hidden[0]!r}.",
                    "Copy it elsewhere, or name that folder in SERVICETSUNAMI_ALLOWED_ROOTS.",
                )
        listed = ", ".join(str(root) for root in self._roots)
        raise Denied(
            f"{source!r} is outside the folders that may be read.",
            f"Allowed: {listed}. SERVICETSUNAMI_ALLOWED_ROOTS can name others.",
        )

    @staticmethod
    def _existing_file(path: Path, source: str) -> Path:
        if path.is_file():
            return path
        if path.exists():
            raise InvalidInput(
                f"{source!r} is not a regular file.", "Give the path of one file at a time."
            )
        nearby = path.parent
        names = sorted(p.name for p in nearby.iterdir()) if nearby.is_dir() else []
        shown = [name for name in names if not name.startswith(".")][:5]
        hint = f"That folder has: {', '.join(shown)}." if shown else "Check the path."
        raise NotFound(f"There is no file {source!r}.", hint)


def _below(folder: Path, private: Path, suffixes: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        real = path.resolve()
        if not real.is_relative_to(folder) or real.is_relative_to(private):
            continue
        parts = (*path.relative_to(folder).parts, *real.relative_to(folder).parts)
        if any(part.startswith(".") for part in parts):
            continue
        if path.suffix.lower() in suffixes and path.is_file():
            yield path.relative_to(folder).as_posix(), path
