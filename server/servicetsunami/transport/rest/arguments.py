"""What routes take: the parts of addresses, and what stands behind the question mark."""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Body(BaseModel):
    """What a request has in its body; nothing unknown, and nothing turned into what it is not."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""An integer as JSON Schema has it, for which 3.0 is one."""
Revision = Annotated[int, Field(ge=0, le=2**31 - 1), BeforeValidator(_whole)]
"""The bounds stand first: behind the validator they would be missing in the document."""

# A name is one part of an address whatever it holds: `/` in it is written as %2F, and is read here.
Name = Annotated[
    str,
    BeforeValidator(unquote),
    Path(min_length=1, max_length=1000, description="The name; a `/` in it is written as %2F."),
]
RunId = Annotated[
    str, BeforeValidator(unquote), Path(min_length=1, max_length=100, description="Of a run.")
]
Search = Annotated[str, Query(description="Part of the name, in any case.", max_length=200)]
Cursor = Annotated[
    str, Query(description="From a truncated answer: the next page.", max_length=2000)
]
