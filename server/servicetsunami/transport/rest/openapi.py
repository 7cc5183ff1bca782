"""The OpenAPI document: FastAPI's, with the scopes and the errors of every operation."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from servicetsunami import __version__, errors
from servicetsunami.errors import ServerError
from servicetsunami.transport.problems import (
    MEDIA_TYPE,
    BodyTooLarge,
    BodyTooSlow,
    Fault,
    InvalidArguments,
    NoSuchRoute,
    Problem,
    describe,
)
from servicetsunami.transport.rest.admitted import OPERATION
from servicetsunami.transport.scopes import scope_of

SCOPE: Final = "x-scope"
"""Where an operation of the document has the scope that it needs."""
_OF_EACH: Final = "x-operation-of-each"
_GOING_ON: Final = frozenset(
    {"ingest_dataset", "invoke_model", "manage_sync", "run_job", "run_notebook"}
)
"""What may take longer than a call, and then goes on as a run."""
_METHODS: Final = ("get", "put", "post", "delete")
_ABOUT: Final = """\
Datasets, notebooks, pipelines, models and indexes of one tenant, over the same services as the \
MCP tools. Whose data it is about comes from the credential alone.
"""
_FAULT: Final = Fault(field="body.max_rows", message="Input should be less than or equal to 1000")
_EXAMPLES: Final[Sequence[ServerError]] = (
    InvalidArguments("The arguments are not usable.", faults=[_FAULT]),
    errors.Unauthenticated("The request has no credential.", "Send a valid token or API key."),
    errors.Denied("ingest_dataset needs the scope lake:write.", "Ask for one that has it."),
    errors.RemoteDenied("Databricks does not let this server read main.x.", "Grant it SELECT."),
    errors.NotFound("No dataset is named 'sales'.", "Did you mean sale?"),
    NoSuchRoute("There is no GET /api/v1/nothing.", "Look at /openapi.json."),
    errors.RemoteNotFound("Databricks has no table main.x.y.", "Check its name."),
    errors.Conflict("The dataset sales exists already, with 3 rows.", "Use mode append."),
    errors.ConfigurationError("No Databricks workspace is connected.", "Use run_on local."),
    errors.RemoteConflict("The endpoint is being changed there.", "Try again in a minute."),
    errors.RemotePending("Databricks is at work on it.", "Look again later."),
    errors.Cancelled("It was asked to stop.", "Call again if it was not meant to."),
    BodyTooSlow.after(30),
    BodyTooLarge.over(4 * 2**20, "SERVICETSUNAMI_HTTP_BODY_MB"),
    errors.InvalidInput("'a b' cannot name a dataset.", "Use letters, digits and _."),
    errors.SqlRefused("The statement DROP is not allowed here: only reading is.", "Use SELECT."),
    errors.SqlFailed("'x' cannot be cast to INT.", "Use try_cast."),
    errors.LimitExceeded("The query needed more than 1,024 MiB.", "Aggregate or filter."),
    errors.RemoteRefused("Databricks does not take it.", "Do what it says."),
    errors.TooManyCalls("This tenant has 16 calls running already.", "Wait for one of them."),
    errors.RemoteUnauthenticated("Databricks does not accept the credentials.", "Renew them."),
    errors.RemoteError("Databricks answered something else.", "Look at its own log."),
    errors.RemoteUnavailable("Databricks did not answer.", "Try again later."),
    errors.TimedOut("The query did not end within 25 s.", "Aggregate, or ask for less."),
)
"""One of each kind: what a problem's `type` leads to."""
_TITLES: Final[Mapping[int, str]] = {
    400: "The request does not fit the route",
    401: "The credential is missing, unknown or expired",
    403: "The credential does not allow it, or this server does not do it",
    404: "It does not exist, or is not yours",
    408: "The request did not arrive in time",
    409: "It has changed, exists already, or this server is not set up for it",
    413: "The request is too long",
    422: "The request fits the route, and cannot be done as it is",
    429: "Too many calls; see Retry-After",
    500: "A defect, which the server's log tells",
    502: "Databricks answered something else",
    503: "Databricks does not answer, or this server is stopping; see Retry-After",
    504: "It took too long, and was stopped",
}
_WAITS: Final = frozenset({429, 503})


def internal() -> Problem:
    """What is told of a defect: that there is one."""
    error = ServerError("Something went wrong here.", "Try again; the server's log says what.")
    problem = describe(error, status=500, kind="InternalError")
    return problem.model_copy(update={"title": _TITLES[500]})


def document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The document of these routes."""
    made = get_openapi(
        title="ServiceTsunami",
        version=__version__,
        description=_ABOUT,
        routes=routes,
        separate_input_output_schemas=False,
    )
    parts = made.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas |= _problem_schemas()
    parts["responses"] = {f"Error{status}": _error(status) for status in _TITLES}
    # A key may come as X-API-Key as well, but not as both: clients that fill in every scheme would.
    parts["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a token."}
    }
    made["security"] = [{"bearer": []}]
    for path in made["paths"].values():
        for method in _METHODS:
            if method in path:
                _complete(path[method])
    return made


def _complete(operation: dict[str, Any]) -> None:
    """Say of an operation what it needs, and how it fails."""
    name = operation.get(OPERATION) or operation[_OF_EACH]
    operation[SCOPE] = str(scope_of(name))
    answers = operation["responses"]
    answers.pop("422", None)
    if name in _GOING_ON:
        answers["202"] = answers["200"] | {
            "description": "It goes on, and can be followed",
            "headers": {"Location": {"description": "Of the run.", "schema": {"type": "string"}}},
        }
    answers |= {
        str(status): {"$ref": f"#/components/responses/Error{status}"} for status in _TITLES
    }


def _error(status: int) -> dict[str, Any]:
    problems = [internal()] if status == 500 else [describe(each) for each in _EXAMPLES]
    examples = {
        each.type.partition("#")[2]: {"value": each.model_dump(exclude_none=True)}
        for each in problems
        if each.status == status
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    answer: dict[str, Any] = {
        "description": _TITLES[status],
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }
    if status in _WAITS:
        wait = {"type": "integer", "minimum": 0}
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": wait}}
    return answer


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}
