"""Subscriptions as both eras of the protocol have them.

Up to 2025-11-25 a session subscribes with `resources/subscribe`, and hears of changes over its own
stream. From 2026-07-28 on the answer to `subscriptions/listen` is the stream, which ends with the
credential that has opened it; a session goes on with the next credential of the same person.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ServerEvent,
    SubscriptionBus,
)
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.errors import ServerError
from servicetsunami.transport.admission import Admission
from servicetsunami.transport.auth import current_standing
from servicetsunami.transport.subscriptions import Subscriptions, Watcher

_WATCHER: Final = "servicetsunami/watcher"


class Subscribing:
    """Answers the methods about subscriptions; a message's caller owns what it subscribes to."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        *,
        caller: Callable[[], Caller],
        admission: Admission,
        shared: SubscriptionBus,
    ) -> None:
        self._subscriptions = subscriptions
        self._caller = caller
        self._admission = admission
        self._shared = shared

    def add_to(self, server: Server[Any]) -> None:
        """Have the server answer the methods, and declare that it does."""
        server.middleware.append(self._renew)
        server.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        server.add_request_handler(
            "resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe
        )
        server.add_request_handler(
            "subscriptions/listen", SubscriptionsListenRequestParams, self._listen
        )

    async def _renew(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Judge the session's watcher by the credential of this message from now on."""
        watcher = ctx.session._connection.state.get(_WATCHER)
        if watcher is not None:
            self._subscriptions.renew(watcher, current_standing())
        return await call_next(ctx)

    async def _subscribe(
        self, ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams
    ) -> EmptyResult:
        try:
            await self._watch(self._watcher(ctx), params.uri)
        except ServerError as error:
            raise _told(error, params.uri) from error
        return EmptyResult()

    async def _unsubscribe(
        self, ctx: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams
    ) -> EmptyResult:
        try:
            self._subscriptions.unwatch(self._watcher(ctx), params.uri)
        except ServerError as error:
            raise _told(error, params.uri) from error
        return EmptyResult()

    async def _listen(
        self, ctx: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        bus = _StreamBus(self._shared)
        handler = ListenHandler(bus)

        async def tell(uri: str) -> None:
            await bus.publish(ResourceUpdated(uri))

        uri = ""
        try:
            async with self._subscriptions.opened(
                self._caller(), tell, standing=current_standing(), end=handler.close
            ) as watcher:
                for uri in params.notifications.resource_subscriptions or ():
                    await self._watch(watcher, uri)
                return await handler(ctx, params)
        except ServerError as error:
            raise _told(error, uri) from error

    async def _watch(self, watcher: Watcher, uri: str) -> None:
        async with self._admission.admit(
            self._caller(), Scope.READ, "subscribe_resource", door="mcp", arguments={"uri": uri}
        ):
            await self._subscriptions.watch(watcher, uri)

    def _watcher(self, ctx: ServerRequestContext[Any, Any]) -> Watcher:
        """The watcher of the session, which ends with it."""
        # Nothing public says when a session ends.
        connection = ctx.session._connection
        watcher = connection.state.get(_WATCHER)
        if watcher is None:
            watcher = self._subscriptions.open(
                self._caller(), ctx.session.send_resource_updated, standing=current_standing()
            )
            connection.state[_WATCHER] = watcher
            connection.exit_stack.callback(partial(self._subscriptions.close, watcher))
        return watcher


class _StreamBus:
    """What one stream hears: its own resources, and what is the same for everybody.

    A resource of the shared bus is not passed on: it may be another tenant's.
    """

    def __init__(self, shared: SubscriptionBus) -> None:
        self._own = InMemorySubscriptionBus()
        self._shared = shared

    async def publish(self, event: ServerEvent) -> None:
        """Tell the stream."""
        await self._own.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Tell the listener from now on; returns what ends that."""

        def of_everybody(event: ServerEvent) -> None:
            if not isinstance(event, ResourceUpdated):
                listener(event)

        ends = (self._own.subscribe(listener), self._shared.subscribe(of_everybody))

        def unsubscribe() -> None:
            for end in ends:
                end()

        return unsubscribe


def _told(error: ServerError, uri: str) -> MCPError:
    return MCPError(INVALID_PARAMS, str(error), {"uri": uri})
