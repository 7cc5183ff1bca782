"""Hands out kernels, each for one run; keeps one ready for whoever ran something last."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from servicetsunami.engines.kernels.sandbox import Sandboxes
from servicetsunami.engines.kernels.spec import KernelSpec
from servicetsunami.engines.workers.turns import Turns
from servicetsunami.errors import ServerError

if TYPE_CHECKING:
    from servicetsunami.engines.kernels.kernel import Kernel

_KERNEL: Final = "servicetsunami.engines.kernels.kernel"
_IDLE_MAX_S: Final = 600.0


class KernelPool:
    """At most `kernels_max` run at once, of one tenant at most `tenant_max` (0 for all of them).

    A kernel never serves a second run. With `keeps_spare` one is kept ready for the tenant that
    ran something last; `tasks` starts it, in the background.
    """

    def __init__(
        self,
        *,
        sandboxes: Sandboxes,
        tasks: TaskGroup,
        kernels_max: int,
        tenant_max: int = 0,
        keeps_spare: bool = True,
    ) -> None:
        self.sandboxes = sandboxes
        self._tasks = tasks
        self._slots = anyio.CapacityLimiter(kernels_max)
        self._turns = Turns(tenant_max)
        self._keeps_spare = keeps_spare
        self._ready: Kernel | None = None
        self._ready_at = 0.0
        self._is_preparing = False

    @property
    def busy(self) -> int:
        """How many kernels run something; nested runs are not counted."""
        return self._slots.borrowed_tokens

    @property
    def idle(self) -> int:
        """How many are kept ready."""
        return int(self._ready is not None)

    @asynccontextmanager
    async def acquire(
        self, spec: KernelSpec, *, is_nested: bool = False
    ) -> AsyncGenerator["Kernel"]:
        """Lend a kernel; it is killed at the end, whatever happens.

        A nested run does not wait for a place: the run that waits for it holds one.
        """
        slot = anyio.CapacityLimiter(1) if is_nested else self._slots
        async with self._turns.one(None if is_nested else spec.tenant), slot:
            kernel = await self._take(spec)
            try:
                self._prepare(spec)
                yield kernel
            finally:
                with anyio.CancelScope(shield=True):
                    await kernel.aclose()

    async def _take(self, spec: KernelSpec) -> "Kernel":
        kernel, self._ready = self._ready, None
        is_old = time.monotonic() - self._ready_at > _IDLE_MAX_S
        if kernel is not None and kernel.spec == spec and kernel.is_alive and not is_old:
            return kernel
        if kernel is not None:
            with anyio.CancelScope(shield=True):
                await kernel.aclose()
        return await self._start(spec)

    def _prepare(self, spec: KernelSpec) -> None:
        if self._keeps_spare and self._ready is None and not self._is_preparing:
            self._is_preparing = True
            self._tasks.start_soon(self._start_one, spec)

    async def _start_one(self, spec: KernelSpec) -> None:
        try:
            self._ready, self._ready_at = await self._start(spec), time.monotonic()
        except ServerError:
            # Whoever needs one tries again, and is told.
            return
        finally:
            self._is_preparing = False

    async def _start(self, spec: KernelSpec) -> "Kernel":
        # In a thread, since the imports take long and others must not wait for them.
        kernels = await to_thread.run_sync(import_module, _KERNEL)
        return await kernels.Kernel.start(await self.sandboxes.choose(), spec)

    async def aclose(self) -> None:
        """Kill the kernel that is kept ready."""
        kernel, self._ready = self._ready, None
        if kernel is not None:
            await kernel.aclose()
