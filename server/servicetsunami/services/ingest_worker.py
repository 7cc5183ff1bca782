"""The child process of an ingest: reads the source and writes the Delta table, nothing else.

It holds the locks of both tables as long as it lives (their descriptors come with the request),
so a server that is killed cannot let another writer in while this process still writes.
"""

import errno
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicetsunami.domain.dataset import WriteMode
from servicetsunami.engines.sql.scratch import Scratch
from servicetsunami.engines.workers.serving import Request, serve
from servicetsunami.errors import ConfigurationError, LimitExceeded, ServerError

if TYPE_CHECKING:
    from servicetsunami.engines.files import Rejects, Source
    from servicetsunami.engines.workers.channel import Channel
    from servicetsunami.stores.tables.write import Written


def run(channel: "Channel", options: Mapping[str, Any]) -> None:
    """Serve ingests until the server closes the channel."""
    # One directory for each process: what a killed one leaves there, the next one removes.
    scratch = cache(lambda: Scratch(Path(options["temp_dir"])))
    methods = {
        "ingest": partial(ingest, options=options, scratch=scratch),
        "pull": partial(pull, options=options),
    }
    serve(channel, methods)


def ingest(
    request: Request, *, options: Mapping[str, Any], scratch: Callable[[], Scratch]
) -> dict[str, Any]:
    """Read the source into a new version of the table, and what it rejects into another table.

    Nothing of this counts until the server has committed the metadata: see stores/tables.
    """
    with _explained(options["temp_dir"]):
        return _ingested(request, options, scratch)


def pull(request: Request, *, options: Mapping[str, Any]) -> dict[str, Any]:
    """Read what comes through a pipe from Databricks into a new version of the table.

    The pipe's reading end is the last descriptor of the request, behind the tables' locks.
    """
    with _explained(options["temp_dir"]):
        return _pulled(request)


@contextmanager
def _explained(directory: str) -> Generator[None]:
    """Say what the operating system's refusals mean for somebody who can do something about it."""
    try:
        yield
    except OSError as error:
        known = _typed(error, directory)
        if known is None:
            raise
        raise known from error


def _typed(error: OSError, directory: str) -> ServerError | None:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return LimitExceeded(
            "The disk with the data directory is full.",
            "Free some space, then call again; nothing was changed.",
        )
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return ConfigurationError(
            f"The data directory above {directory} cannot be written: {error.strerror}.",
            "Have its permissions changed, or set SERVICETSUNAMI_DATA_DIR to another directory.",
        )
    return None


def _ingested(
    request: Request, options: Mapping[str, Any], scratch: Callable[[], Scratch]
) -> dict[str, Any]:
    # Heavy, and for the child alone.
    from servicetsunami.engines import files  # noqa: PLC0415

    arguments = request.arguments
    read_options = files.ReadOptions.parse(arguments["options"])
    consume = partial(_consume, arguments=arguments)
    if arguments["rows"] is not None:
        with files.open_rows(arguments["rows"], read_options) as source:
            return consume(source)
    return files.read_path(
        Path(arguments["path"]),
        read_options,
        consume,
        temp_dir=scratch().path,
        memory_limit_mb=options["memory_limit_mb"],
        threads=options["threads"],
        on_progress=lambda rows, fraction: request.report({"rows": rows, "fraction": fraction}),
    )


def _pulled(request: Request) -> dict[str, Any]:
    # Heavy, and for the child alone.
    from servicetsunami.engines.files.arriving import Incoming  # noqa: PLC0415
    from servicetsunami.stores.tables.write import write  # noqa: PLC0415

    arguments, incoming = request.arguments, Incoming(request)
    try:
        written = write(
            Path(arguments["location"]),
            incoming.reader(),
            mode=WriteMode(arguments["mode"]),
            keys=tuple(arguments["keys"]),
            base_version=arguments["base_version"],
            commit_info=arguments["commit_info"],
        )
    except Exception:
        # delta-rs turns an exception of its source into a text of its own.
        if incoming.failure is not None:
            raise incoming.failure from None
        raise
    columns = [
        {
            "name": column.name,
            "type": column.type,
            "how": "its type on Databricks",
            "source_name": column.name,
        }
        for column in written.columns
    ]
    return {
        "written": _described(written),
        "format": "databricks",
        "read_as": {},
        "columns": columns,
        "warnings": [],
        "rejected_rows": 0,
        "rejected_first": [],
        "rejects_written": None,
    }


def _consume(source: "Source", *, arguments: Mapping[str, Any]) -> dict[str, Any]:
    from servicetsunami.stores.tables.write import write  # noqa: PLC0415

    written = write(
        Path(arguments["location"]),
        source.reader,
        mode=WriteMode(arguments["mode"]),
        keys=tuple(arguments["keys"]),
        base_version=arguments["base_version"],
        commit_info=arguments["commit_info"],
    )
    rejects = source.rejects()
    return {
        "written": _described(written),
        "format": source.format,
        "read_as": {k: v for k, v in asdict(source.details).items() if v not in (None, {}, ())},
        "columns": [asdict(column) for column in source.columns],
        "warnings": list(source.warnings),
        "rejected_rows": rejects.count,
        "rejected_first": [dict(row) for row in rejects.first],
        "rejects_written": _keep_rejects(rejects, written.version, arguments),
    }


def _keep_rejects(
    rejects: "Rejects", version: int, arguments: Mapping[str, Any]
) -> dict[str, Any] | None:
    if not rejects.count:
        return None
    from servicetsunami.stores.tables.write import write  # noqa: PLC0415

    # Which ingest a row belongs to, when several have rejected some.
    table = rejects.table.append_column("of_version", [[version] * rejects.table.num_rows])
    base_version = arguments["rejects_base_version"]
    written = write(
        Path(arguments["rejects_location"]),
        table.to_reader(),
        mode=WriteMode.CREATE if base_version is None else WriteMode.APPEND,
        keys=(),
        base_version=base_version,
        commit_info=arguments["commit_info"],
    )
    return _described(written)


def _described(written: "Written") -> dict[str, Any]:
    return {
        "version": written.version,
        "rows_written": written.rows_written,
        "row_count": written.row_count,
        "size_bytes": written.size_bytes,
        "added_bytes": written.added_bytes,
        "columns": [asdict(column) for column in written.columns],
        "details": dict(written.details),
    }
