"""Takes a model's files in: copied whole, hashed, and only of kinds that cannot run code."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from servicetsunami.errors import InvalidInput, LimitExceeded
from servicetsunami.services.mlmodel import FILE, read_mlmodel

_BYTES_MAX: Final = 2 * 2**30
_FILES_MAX: Final = 1_000
_PIECE_BYTES: Final = 1 << 20
_PICKLES: Final = frozenset({".pkl", ".pickle", ".joblib", ".cloudpickle", ".pt", ".pth"})
MAKING: Final = "making-"
"""What the name of a folder begins with whose model nobody knows yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A model that was copied: `file` is what is loaded, below `folder`.

    `columns` are names and MLflow's types of what it takes, where the model does not say itself.
    """

    folder: Path
    file: str
    flavour: str
    sha256: str
    size_bytes: int
    columns: tuple[tuple[str, str], ...] = ()


def models_dir(data_dir: Path, tenant: str) -> Path:
    """Where the models of a tenant are: a folder for each endpoint, in it one for each version."""
    return data_dir / "tenants" / tenant / "models"


def take(source: Path, models: Path) -> Taken:
    """Copy a model's file or folder into a new folder of `models`. Blocks: call it in a thread.

    Raises InvalidInput for what is no model, or one that only code could load; LimitExceeded for
    more than 2 GiB or 1,000 files.
    """
    file, flavour, columns = _main_file(source)
    folder = models / f"{MAKING}{uuid4().hex}"
    folder.mkdir(parents=True, mode=0o700)
    try:
        hashes, size_bytes = [], 0
        for path, name in _files(source):
            if len(hashes) == _FILES_MAX:
                raise LimitExceeded(f"{source.name} has more than {_FILES_MAX} files.", _SMALLER)
            sha256, size = copy_file(path, folder / name, left=_BYTES_MAX - size_bytes)
            hashes.append((sha256, name))
            size_bytes += size
        for each in {folder / name.parent for _, name in hashes}:
            _sync(each)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Taken(
        folder=folder,
        file=file,
        flavour=flavour,
        sha256=_hash_of(hashes),
        size_bytes=size_bytes,
        columns=columns,
    )


def put_into_place(folder: Path, place: Path) -> None:
    """Give a model its final folder. What is there is left of a server that was killed."""
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.rename(place)
    _sync(place.parent)


def remove_models(models: Path, endpoints: Iterable[str]) -> None:
    """Remove the files of endpoints that were deleted, as far as they are still there."""
    for endpoint_id in endpoints:
        shutil.rmtree(models / endpoint_id, ignore_errors=True)


_SMALLER: Final = "Give the file or the folder of one model only."


def _main_file(source: Path) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """The file to load, its flavour, and its columns if they are known."""
    if source.is_file():
        return source.name, _flavour(source.name), ()
    if (source / FILE).is_file():
        return read_mlmodel(source)
    found = sorted(each.name for each in source.iterdir() if each.suffix.lower() == ".onnx")
    if len(found) != 1:
        raise InvalidInput(
            f"The folder {source.name} has {len(found)} files that end in .onnx.",
            "Give a folder with one of them and its data, one that MLflow saved, or the file.",
        )
    return found[0], "onnx", ()


def _flavour(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix in {".onnx", ".skops"}:
        return suffix[1:]
    if suffix in _PICKLES:
        raise InvalidInput(
            f"{name} is a pickle: to load it is to run whatever code its maker put into it.",
            "Export the model to ONNX (scikit-learn: skl2onnx.to_onnx, or skops.io.dump; PyTorch: "
            "torch.onnx.export) and deploy that.",
        )
    raise InvalidInput(
        f"{name} is no model that this server knows.",
        "Give a .onnx or .skops file, a folder with a model, or "
        "databricks:catalog.schema.model/versions/1.",
    )


def _files(source: Path) -> Iterator[tuple[Path, Path]]:
    """The files to copy, with their names below the folder, in an order that is always the same."""
    if source.is_file():
        yield source, Path(source.name)
        return
    for parent, folders, names in os.walk(source):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                path = Path(parent, name)
                yield path, path.relative_to(source)


def _hash_of(hashes: Sequence[tuple[str, Path]]) -> str:
    """The hash of one file; of several, that of the list that sha256sum would print."""
    if len(hashes) == 1:
        return hashes[0][0]
    listed = "".join(f"{sha256}  {name}\n" for sha256, name in hashes)
    return hashlib.sha256(listed.encode()).hexdigest()


def copy_file(path: Path, target: Path, *, left: int = _BYTES_MAX) -> tuple[str, int]:
    """Copy one plain file, of at most `left` bytes; its hash, and its size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size = hashlib.sha256(), 0
    try:
        # A link could lead out of the folder, and anything but a file could last for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InvalidInput(
            f"{path.name} cannot be read: {error.strerror}.", "Give plain files, without links."
        ) from error
    with os.fdopen(descriptor, "rb") as source, target.open("xb") as copy:
        while piece := source.read(_PIECE_BYTES):
            size += len(piece)
            if size > left:
                raise LimitExceeded(f"The model has more than {_BYTES_MAX} bytes.", _SMALLER)
            digest.update(piece)
            copy.write(piece)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest(), size


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
