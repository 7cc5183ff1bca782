"""Hands out children: warm ones first, the caller's own before others, never too many."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from servicetsunami.engines.workers.turns import Turns
from servicetsunami.engines.workers.worker import Worker
from servicetsunami.engines.workers.zygote import Zygote


class WorkerPool:
    """At most `workers_max` children that run `target`, forked from the zygote when needed.

    `target` is `package.module:function`, called in the child as `function(channel, options)`;
    `options` are plain JSON values. `spare` is how many idle children are kept ready while others
    work (within `workers_max`), so that a short call need not wait for a long one.
    `affinity_max` is how many children one affinity may have at once; 0 for all.
    `address_space_bytes` is the RLIMIT_AS of each child, `kind` what their spans are named by.
    """

    def __init__(
        self,
        *,
        zygote: Zygote,
        target: str,
        options: Mapping[str, Any],
        workers_max: int,
        address_space_bytes: int | None,
        spare: int = 1,
        kind: str = "worker",
        affinity_max: int = 0,
    ) -> None:
        self._zygote = zygote
        self._kind = kind
        self._target = target
        self._options = options
        self._workers_max = workers_max
        self._address_space_bytes = address_space_bytes
        self._spare = spare
        self._turns = anyio.Semaphore(workers_max)
        self._own_turns = Turns(affinity_max)
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()

    @property
    def busy(self) -> int:
        """How many children are at work."""
        return len(self._busy)

    @property
    def idle(self) -> int:
        """How many are kept ready."""
        return len(self._idle)

    @asynccontextmanager
    async def acquire(self, *, affinity: str | None = None) -> AsyncGenerator[Worker]:
        """Lend a child that nobody else uses; waits, in order of arrival, when all are busy.

        Raises ConfigurationError when no child can be started on this machine.
        """
        async with self._own_turns.one(affinity), self._turns:
            await self._zygote.start()
            worker = self._take(affinity)
            worker.affinity = affinity
            self._busy.add(worker)
            try:
                self._keep_spare()
                yield worker
            finally:
                self._busy.remove(worker)
                self._give_back(worker)

    async def warm(self) -> None:
        """Start what the first call would have to wait for."""
        async with self.acquire():
            pass

    def retire_idle(self) -> None:
        """End the idle children, and give their memory back."""
        for worker in self._idle:
            worker.end()
        self._idle.clear()

    def close(self) -> None:
        """End every child, also under a call that runs; whoever owns the zygote closes it."""
        self.retire_idle()
        for worker in self._busy:
            worker.condemn()

    def _take(self, affinity: str | None) -> Worker:
        self._idle = [worker for worker in self._idle if _is_alive(worker)]
        if not self._idle:
            return self._fork()
        # The caller's own, latest used first; then a new one; then another's, longest idle first.
        own = [worker for worker in self._idle if worker.affinity == affinity]
        new = [worker for worker in self._idle if worker.affinity is None]
        chosen = (own[-1:] or new or self._idle)[0]
        self._idle.remove(chosen)
        return chosen

    def _keep_spare(self) -> None:
        wanted = min(self._spare, self._workers_max - len(self._busy))
        while len(self._idle) < wanted:
            self._idle.append(self._fork())

    def _give_back(self, worker: Worker) -> None:
        if not worker.reusable:
            worker.end()
            if self._busy:
                self._keep_spare()
        else:
            self._idle.append(worker)

    def _fork(self) -> Worker:
        number, connection = self._zygote.fork(
            target=self._target,
            options=self._options,
            address_space_bytes=self._address_space_bytes,
        )
        return Worker(connection, end=lambda: self._zygote.end(number), kind=self._kind)


def _is_alive(worker: Worker) -> bool:
    if not worker.reusable:
        worker.end()
    return worker.reusable
