"""How every route is served: by its operation's name through admission, with its tenant's rows."""

import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import unquote

import anyio
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.errors import Cancelled, Denied, ServerError
from servicetsunami.services.progress import silent
from servicetsunami.stores.visibility import only
from servicetsunami.transport.admission import Admission, Operation
from servicetsunami.transport.problems import InvalidArguments
from servicetsunami.transport.rest.uploads import Uploads
from servicetsunami.transport.scopes import scope_of

if TYPE_CHECKING:
    from servicetsunami.domain.run import Run
    from servicetsunami.services.long_work import AnswerT, Work
    from servicetsunami.tools.context import Services

OPERATION: Final = "x-operation"
"""Where a route, and the OpenAPI document, has the name of its operation."""
KIND: Final = "x-kind"
"""Where it has the kind of asset that it is about."""
NATIVE: Final = "/api/v1"
CONNECTOR: Final = "/servicetsunami/v1/databricks"
_PATIENCE_S: Final = 20.0


def is_rest(path: str) -> bool:
    """Whether an address is served here, with limits of its own."""
    return path.startswith((f"{NATIVE}/", f"{CONNECTOR}/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all routes need: the services, and whom they are for.

    A call waits `patience_s` for work, before it hands back the run that it goes on as.
    """

    services: "Services"
    admission: Admission
    caller: Callable[[], Caller]
    uploads: Uploads
    is_read_only: bool = False
    patience_s: float = _PATIENCE_S

    @asynccontextmanager
    async def admit(
        self, caller: Caller, name: str, arguments: Mapping[str, object]
    ) -> AsyncGenerator[Operation]:
        """Let an operation run inside; raises Denied where this server changes nothing."""
        scope = scope_of(name)
        async with self.admission.admit(
            caller, scope, name, door="rest", arguments=arguments
        ) as operation:
            if self.is_read_only and scope is not Scope.READ:
                raise Denied(
                    f"This server is read-only, and {name} may change something.",
                    "Ask a server without SERVICETSUNAMI_READ_ONLY.",
                )
            yield operation


@dataclass(frozen=True, slots=True, kw_only=True)
class RestCall:
    """Who calls, and what can be done for them; `base` is the prefix of the address called."""

    caller: Caller
    desk: Desk
    arguments: dict[str, object]
    base: str

    @property
    def services(self) -> "Services":
        """All services."""
        return self.desk.services

    @property
    def patience_s(self) -> float:
        """How long the call may wait."""
        return self.desk.patience_s

    def admit(
        self, name: str, arguments: Mapping[str, object]
    ) -> AbstractAsyncContextManager[Operation]:
        """Admit one of several operations of the call."""
        return self.desk.admit(self.caller, name, arguments)

    async def finish(
        self, work: "Work[AnswerT]", *, tool: str, about: Mapping[str, str]
    ) -> "AnswerT | Run":
        """What the work comes to in time, else the run that it goes on as."""
        return await self.services.long_work.finish(
            self.caller,
            work,
            tool=tool,
            about=about,
            report=silent,
            patience_s=self.patience_s,
        )

    def accepted(self, response: Response, run_id: str) -> None:
        """Say that the work goes on, and where it can be followed."""
        response.status_code = 202
        response.headers["Location"] = f"{self.base}/runs/{run_id}"


async def _call(request: Request) -> RestCall:
    return request.state.call


CallOf = Annotated[RestCall, Depends(_call)]


class AdmittedRoute(APIRoute):
    """A route with the name of an operation in `openapi_extra`; without one it admits by itself.

    A batch does so: each of its items is an operation.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler, so that nothing of a request is judged before it is admitted."""
        serve = super().get_route_handler()
        said = self.openapi_extra or {}
        name, kind = said.get(OPERATION), said.get(KIND)
        parts = tuple(self.param_convertors)

        async def serve_admitted(request: Request) -> Response:
            desk: Desk = request.app.state.desk
            caller = desk.caller()
            arguments = ({"kind": kind} if kind else {}) | await _arguments(request, parts)
            base = CONNECTOR if request.scope["path"].startswith(CONNECTOR) else NATIVE
            request.state.call = RestCall(caller=caller, desk=desk, arguments=arguments, base=base)
            with only(caller.tenant):
                if name is None:
                    return await _served(serve, request)
                async with desk.admit(caller, name, arguments):
                    if scope_of(name) is not Scope.READ:
                        return await _served(serve, request)
                    return await _unless_gone(serve, request)

        return serve_admitted


async def _arguments(request: Request, parts: tuple[str, ...]) -> dict[str, object]:
    """What was asked, as it was given: for those who watch, before it is judged."""
    found: dict[str, object] = {name: unquote(request.path_params[name]) for name in parts}
    found |= dict(request.query_params)
    if "json" in request.headers.get("content-type", ""):
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            return found
        if isinstance(body, dict):
            found |= body
    return found


async def _served(
    serve: Callable[[Request], Coroutine[Any, Any, Response]], request: Request
) -> Response:
    """Serve the request; raises InvalidArguments for what does not fit the route."""
    try:
        return await serve(request)
    except RequestValidationError as error:
        raise InvalidArguments.of(error.errors()) from error
    except HTTPException as error:
        raise InvalidArguments(f"The request cannot be read: {error.detail}.") from error
    except RecursionError as error:
        raise InvalidArguments("The request is nested too deeply.") from error


async def _unless_gone(
    serve: Callable[[Request], Coroutine[Any, Any, Response]], request: Request
) -> Response:
    """Serve what only reads, and stop the work when nobody waits for it any more."""
    response: Response | None = None
    refusal: ServerError = Cancelled(
        "The client has closed its connection.", "Ask again, and wait."
    )
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        try:
            response = await _served(serve, request)
        except ServerError as error:
            # Raised below: from here it would come out in a group of one.
            refusal = error
        tasks.cancel_scope.cancel()
    if response is None:
        raise refusal
    return response
