"""Tells clients that a resource they have subscribed to has changed.

What this process changes is told at once, what others change within seconds: one loop looks at
the marks of all that is watched, tenant by tenant, and only while something is. Before a client is
told, its credential is judged once more: whoever has lost it hears of nothing.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio

from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.domain.watched import Watched
from servicetsunami.errors import LimitExceeded, ServerError
from servicetsunami.services.watching import Watching
from servicetsunami.stores.visibility import EVERYBODY, only
from servicetsunami.transport.auth import Standing

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 2.0
_PAUSE_S: Final = 0.2
"""Between two looks, however fast this process writes."""
_TELL_S: Final = 2.0
"""For a client to take a notification; one that does not read hears of the next change."""
URIS_MAX: Final = 100
WATCHERS_OF_TENANT_MAX: Final = 200


@dataclass(slots=True, eq=False)
class Watcher:
    """One session, or one stream, that wants to hear of changes."""

    tenant: str
    tell: Callable[[str], Awaitable[None]]
    """Sends the address of a resource to the client."""
    standing: Standing | None = None
    """The credential that it was opened or last used with; None where none are asked for."""
    end: Callable[[], None] | None = None
    """Ends its stream; None for a session, which a new credential can go on with."""
    is_silenced: bool = False
    """Its credential allows nothing any more."""
    marks: dict[Watched, str] = field(default_factory=dict)
    uris: dict[Watched, str] = field(default_factory=dict)
    """As the client has spelt them: it knows no other."""


class Subscriptions:
    """Knows who watches what, and looks after it while `run` runs."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._watchers: set[Watcher] = set()
        self._wake = anyio.Event()
        watching.when_changed(self._note)

    def open(
        self,
        caller: Caller,
        tell: Callable[[str], Awaitable[None]],
        *,
        standing: Standing | None = None,
        end: Callable[[], None] | None = None,
    ) -> Watcher:
        """A new watcher, until `close`; raises LimitExceeded when the tenant has too many."""
        of_tenant = sum(each.tenant == caller.tenant for each in self._watchers)
        if of_tenant >= WATCHERS_OF_TENANT_MAX:
            raise LimitExceeded(
                f"{WATCHERS_OF_TENANT_MAX} sessions of this tenant watch resources already.",
                "End one of them, or read the resource now and then.",
            )
        watcher = Watcher(caller.tenant, tell, standing, end)
        self._watchers.add(watcher)
        return watcher

    def close(self, watcher: Watcher) -> None:
        """Tell it of nothing more."""
        self._watchers.discard(watcher)

    def renew(self, watcher: Watcher, standing: Standing | None) -> None:
        """Go on by the credential that its session has shown now.

        What has changed since the last one was over is told then.
        """
        watcher.standing = standing
        if watcher.is_silenced:
            watcher.is_silenced = False
            self._wake.set()

    @asynccontextmanager
    async def opened(
        self,
        caller: Caller,
        tell: Callable[[str], Awaitable[None]],
        *,
        standing: Standing | None,
        end: Callable[[], None],
    ) -> AsyncGenerator[Watcher]:
        """The watcher of a stream, for as long as the block lasts."""
        watcher = self.open(caller, tell, standing=standing, end=end)
        try:
            yield watcher
        finally:
            self.close(watcher)

    async def watch(self, watcher: Watcher, uri: str) -> None:
        """Tell it of changes of a resource from now on.

        Raises InvalidInput for what cannot be watched, NotFound for what the tenant does not
        have, and LimitExceeded for too many.
        """
        watched = Watched.parse(uri)
        if len(watcher.uris) >= URIS_MAX and watched not in watcher.uris:
            raise LimitExceeded(
                f"A session watches at most {URIS_MAX} resources.",
                "Unsubscribe from one of them first.",
            )
        watcher.marks[watched] = await self._watching.first(watcher.tenant, watched)
        watcher.uris[watched] = uri
        self._wake.set()

    def unwatch(self, watcher: Watcher, uri: str) -> None:
        """Tell it of changes of the resource no more."""
        watched = Watched.parse(uri)
        watcher.marks.pop(watched, None)
        watcher.uris.pop(watched, None)

    def _note(self, tenant: str) -> None:
        """Look soon, if somebody watches what may have been changed."""
        if any(each.uris and tenant in {each.tenant, EVERYBODY} for each in self._watchers):
            self._wake.set()

    async def run(self) -> None:
        """Look for changes, now and when there may be some, until cancelled."""
        while True:
            patience_s = LOOK_EVERY_S if any(map(_is_open, self._watchers)) else None
            with anyio.move_on_after(patience_s):
                await self._wake.wait()
            self._wake = anyio.Event()
            for tenant in {each.tenant for each in self._watchers if _is_open(each)}:
                try:
                    await self._look(tenant)
                except ServerError as error:
                    _log.warning("changes could not be looked for: %s", error)
            await anyio.sleep(_PAUSE_S)

    async def _look(self, tenant: str) -> None:
        watchers = [each for each in self._watchers if each.tenant == tenant and _is_open(each)]
        watched = {each for watcher in watchers for each in watcher.uris}
        with only(tenant):
            found = await self._watching.marks(tenant, watched)
        async with anyio.create_task_group() as telling:
            for watcher in watchers:
                changed = {
                    each: found.get(each, "")
                    for each, mark in watcher.marks.items()
                    if each in watched and found.get(each, "") != mark
                }
                if changed:
                    telling.start_soon(_tell_all, watcher, changed)


def _is_open(watcher: Watcher) -> bool:
    return bool(watcher.uris) and not watcher.is_silenced


async def _tell_all(watcher: Watcher, changed: Mapping[Watched, str]) -> None:
    """Tell of changes, and keep their marks; both only while the credential allows it."""
    standing = watcher.standing
    try:
        may_read = standing is None or Scope.READ in await standing.scopes()
    except ServerError as error:
        _log.warning("a credential could not be judged: %s", error)
        return
    if watcher.standing is not standing:
        # Its session has shown another one meanwhile, by which the next look judges.
        return
    if not may_read:
        watcher.is_silenced = True
        if watcher.end is not None:
            watcher.end()
        return
    # It may have unsubscribed meanwhile.
    wanted = changed.keys() & watcher.marks.keys()
    watcher.marks |= {each: changed[each] for each in wanted}
    async with anyio.create_task_group() as telling:
        for each in wanted:
            telling.start_soon(_tell, watcher, watcher.uris[each])


async def _tell(watcher: Watcher, uri: str) -> None:
    with anyio.move_on_after(_TELL_S):
        await watcher.tell(uri)
