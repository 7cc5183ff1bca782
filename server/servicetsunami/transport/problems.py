"""Tells over HTTP what went wrong: problem details (RFC 9457), with what to do next."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from servicetsunami import errors
from servicetsunami.errors import ServerError

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_AFTER_S: Final = 5.0
_CORRECT: Final = "Correct it, and call again; /openapi.json says what fits."


class Fault(BaseModel):
    """One argument that does not fit."""

    field: str
    message: str


class InvalidArguments(errors.InvalidInput):
    """The request does not fit the route."""

    def __init__(self, what: str, next_step: str = _CORRECT, faults: Sequence[Fault] = ()) -> None:
        super().__init__(what, next_step)
        self.faults = list(faults)

    @classmethod
    def of(cls, faults: Sequence[Any]) -> Self:
        """Say which arguments are wrong, without the values, which may be long or private."""
        found = [
            Fault(field=".".join(map(str, fault["loc"])), message=fault["msg"]) for fault in faults
        ]
        listed = "; ".join(dict.fromkeys(f"`{each.field}`: {each.message}" for each in found))
        return cls(f"The arguments are not usable: {listed}.", faults=found)


class NoSuchRoute(errors.NotFound):
    """There is no such address, or not for this method."""


class BodyTooLarge(errors.LimitExceeded):
    """The request is longer than this server takes."""

    @classmethod
    def over(cls, bytes_max: int, setting: str) -> Self:
        """Name the limit, and what sets it."""
        return cls(
            f"The request is longer than {bytes_max // 2**20} MiB.",
            f"Send less at a time, or have {setting} set higher.",
        )


class BodyTooSlow(errors.TimedOut):
    """The request did not arrive in time."""

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Name the limit, and what sets it."""
        return cls(
            f"The request took more than {seconds:g} s to arrive.",
            "Send less at a time, or have SERVICETSUNAMI_HTTP_BODY_S set higher.",
        )


STATUSES: Final[Mapping[type, int]] = {
    InvalidArguments: 400,
    errors.InvalidInput: 422,
    errors.SqlRefused: 422,
    errors.SqlFailed: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Denied: 403,
    errors.Unauthenticated: 401,
    # What is asked for is understood, and is too much as a whole; 413 is for a body alone.
    errors.LimitExceeded: 422,
    BodyTooLarge: 413,
    errors.TooManyCalls: 429,
    BodyTooSlow: 408,
    errors.TimedOut: 504,
    errors.Cancelled: 409,
    errors.RemoteError: 502,
    errors.RemoteUnavailable: 503,
    errors.RemoteUnauthenticated: 502,
    errors.RemoteDenied: 403,
    errors.RemoteNotFound: 404,
    errors.RemoteConflict: 409,
    errors.RemoteRefused: 422,
    # Nothing passes by itself here, as 503 would promise: the server lacks what is asked for.
    errors.ConfigurationError: 409,
}
"""The status of each kind of error; one that is not named has that of the kind it belongs to."""


class Problem(BaseModel):
    """What went wrong. `type` leads to what this kind of error is, `next_step` out of it."""

    type: str = Field(examples=["/docs#NotFound"])
    title: str = Field(examples=["The caller named something that does not exist."])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["No dataset is named 'sales'. Did you mean sale?"])
    what: str = Field(examples=["No dataset is named 'sales'."])
    next_step: str = Field(examples=["Did you mean sale?"])
    faults: list[Fault] | None = None
    error: str | None = Field(default=None, description="For clients of OAuth 2: its error code.")
    error_description: str | None = Field(default=None, description="The detail, for the same.")


def status_of(error: ServerError) -> int:
    """The status of an error: that of the nearest kind in the table."""
    return next((status for kind in type(error).__mro__ if (status := STATUSES.get(kind))), 500)


def describe(
    error: ServerError,
    *,
    status: int | None = None,
    kind: str | None = None,
    oauth_error: str | None = None,
) -> Problem:
    """An error as a problem; `kind` is the name of its class, unless another says more."""
    return Problem(
        type=f"/docs#{kind or type(error).__name__}",
        title=(type(error).__doc__ or "").partition("\n")[0],
        status=status or status_of(error),
        detail=str(error),
        what=error.what,
        next_step=error.next_step,
        faults=error.faults or None if isinstance(error, InvalidArguments) else None,
        error=oauth_error,
        error_description=None if oauth_error is None else str(error),
    )


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a response."""
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=problem.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def problem_response(error: ServerError) -> Response:
    """An error as a response, with the time after which it may have passed."""
    wait_s = retry_after_s(error)
    headers = None if wait_s is None else {"Retry-After": str(math.ceil(wait_s))}
    return answer(describe(error), headers)


def retry_after_s(error: ServerError) -> float | None:
    """How long to wait before the same may go well; None where waiting changes nothing."""
    if isinstance(error, errors.TooManyCalls | errors.RemotePending):
        return error.wait_s
    return _RETRY_AFTER_S if isinstance(error, errors.RemoteUnavailable) else None
