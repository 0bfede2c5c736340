"""Keeps the llama.cpp child alive: starts it again when it has ended, and ends it when it shows no life.

A child that ends is started again at once, twice; one that keeps ending is left alone for longer and longer, so that a
broken model or machine is not made worse. Until then requests fail with the reason.

No life is: for `Patience.silence_s` no request of a busy child has brought an event, and then its main loop, which
answers between two batches, does not answer within `Patience.answer_s`. A request that waits for its turn is silent
for long, and a child that reads a long prompt answers late, so neither alone means anything.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from midspan.engine.llama_cpp_process import Child, Settings, start
from midspan.engine.protocol import EngineError

STABLE_SECONDS = 60.0
"""A child that lived this long ends what was counted against its forerunners."""
FREE_RESTARTS = 2
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


@dataclass(frozen=True)
class Patience:
    """Seconds of silence after which a busy child is asked for a sign of life, and seconds it has to give one.

    One batch of a large model on a busy machine takes seconds; what is to be noticed takes for ever.
    """

    silence_s: float = 5.0
    answer_s: float = 15.0


class Supervisor:
    """Owns the child of one engine. `ask` asks a child's main loop for an answer and raises if it gets none."""

    def __init__(self, settings: Settings, ask: Callable[[Child], Awaitable[None]], patience: Patience) -> None:
        self._settings, self._ask, self._patience = settings, ask, patience
        self._child: Child | None = None
        self._starting = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._closed = False
        self.starts = 0
        self._failures, self._not_before, self._last_end = 0, 0.0, ""
        self._running, self._last_event = 0, 0.0
        self._busy = asyncio.Event()

    @property
    def process_id(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.process.pid if self._child is not None and self._child.alive else None

    async def child(self) -> Child:
        """The running child, started if there is none. Raises EngineError if it cannot be, or ended too often."""
        async with self._starting:
            if self._closed:
                raise EngineError("the engine is closed")
            if self._child is None or not self._child.alive:
                pause = self._not_before - time.monotonic()
                if pause > 0:
                    raise EngineError(
                        f"llama.cpp has ended {self._failures} times in a row, at last: {self._last_end}",
                        f"it is started again in {pause:.0f} s; see whether the memory suffices",
                    )
                self._child = await self._start()
                self.starts += 1
                if self._watching is None:
                    self._watching = asyncio.create_task(self._watch())
            return self._child

    async def close(self) -> None:
        """End the child and start no other."""
        self._closed = True
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        async with self._starting:
            if self._child is not None:
                await self._child.stop()

    @contextlib.contextmanager
    def request(self) -> Iterator[Callable[[], None]]:
        """Surrounds a request to the child; what it gives is to be called at every event of the answer."""
        self._running += 1
        self._heard()
        self._busy.set()
        try:
            yield self._heard
        finally:
            self._running -= 1
            if not self._running:
                self._busy.clear()

    def _heard(self) -> None:
        self._last_event = time.monotonic()

    async def _start(self) -> Child:
        try:
            return await start(self._settings)
        except EngineError as error:
            self._count_failure(error.message)
            raise

    def _count_failure(self, end: str) -> None:
        self._failures, self._last_end = self._failures + 1, end
        late = self._failures - FREE_RESTARTS
        self._not_before = time.monotonic() + (min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (late - 1)) if late > 0 else 0.0)

    async def _watch(self) -> None:
        """See to one child after the other."""
        while True:
            child = await self._next_child()
            began = time.monotonic()
            life = asyncio.create_task(self._see_life(child))
            try:
                await child.process.wait()
            finally:
                life.cancel()
            if time.monotonic() - began > STABLE_SECONDS:
                self._failures = 0
            self._count_failure(child.end)

    async def _next_child(self) -> Child:
        while True:
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            with contextlib.suppress(EngineError):
                return await self.child()

    async def _see_life(self, child: Child) -> None:
        """Kill the child once it is busy and shows no life."""
        while True:
            await self._busy.wait()
            silent = time.monotonic() - self._last_event
            if silent < self._patience.silence_s:
                await asyncio.sleep(self._patience.silence_s - silent)
                continue
            try:
                await asyncio.wait_for(self._ask(child), self._patience.answer_s)
                self._heard()
            except Exception:  # refused, broken off, timed out: whatever it is, it is no sign of life
                if child.alive:
                    child.fault = f"it gave no sign of life for {time.monotonic() - self._last_event:.0f} s"
                    child.process.kill()
                return
