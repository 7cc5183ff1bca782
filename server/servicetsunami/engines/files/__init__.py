"""Readers behind `ingest_dataset`: any data file in, one typed stream and a report out."""

from servicetsunami.engines.files.opening import open_path, open_rows, read_path
from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.report import (
    ColumnReport,
    Corrections,
    Details,
    Rejects,
    Source,
    TypesMisjudged,
)

__all__ = [
    "ColumnReport",
    "Corrections",
    "Details",
    "ReadOptions",
    "Rejects",
    "Source",
    "TypesMisjudged",
    "open_path",
    "open_rows",
    "read_path",
]
