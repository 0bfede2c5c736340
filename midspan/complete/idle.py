"""Work that is done while nobody waits: one job at a time, the newest first, one per document.

Whoever waits for an answer goes first: as long as somebody does no job runs, and one that runs is stopped at once.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from midspan.errors import MidspanError

DOCUMENTS = 64
"""Documents that may have a job waiting; the one that has waited longest gives way."""


@dataclass(frozen=True)
class Job:
    """Something worth doing for a document, once nobody has waited for `rest_s` seconds.

    `goal` is equal for jobs that come to the same. One that was stopped is begun anew if `again`. `ended` is set when
    it is done or given up.
    """

    document: str
    goal: object
    work: Callable[[], Awaitable[None]]
    rest_s: float
    again: bool
    ended: asyncio.Event


class Idle:
    """Runs the jobs in turn."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()  # the newest last
        self._waiting = 0
        self._last_answer = float("-inf")
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._worker: asyncio.Task[None] | None = None
        self._job: Job | None = None
        self._running: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def someone_waits(self) -> Iterator[None]:
        """Surrounds what a person waits for."""
        self._waiting += 1
        self._quiet.clear()
        if self._running is not None:
            self._running.cancel()
        try:
            yield
        finally:
            self._waiting -= 1
            self._last_answer = time.monotonic()
            if not self._waiting:
                self._quiet.set()

    def add(
        self, document: str, goal: object, work: Callable[[], Awaitable[None]], *, rest_s: float, again: bool
    ) -> Job:
        """Put a job in the place of the document's last one, unless that has the same goal; the job that counts now."""
        last = self._jobs.get(document)
        if last is not None:
            if last.goal == goal:
                return last
            self.drop(last)
        job = self._jobs[document] = Job(document, goal, work, rest_s, again, asyncio.Event())
        if len(self._jobs) > DOCUMENTS:
            self.drop(next(iter(self._jobs.values())))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return job

    def drop(self, job: Job) -> None:
        """Give up a job."""
        if self._jobs.get(job.document) is job:
            del self._jobs[job.document]
            job.ended.set()
            if self._job is job and self._running is not None:
                self._running.cancel()

    async def close(self) -> None:
        """Give up all jobs."""
        for job in list(self._jobs.values()):
            self.drop(job)
        if self._worker is not None:
            await asyncio.wait({self._worker})

    async def _work(self) -> None:
        while self._jobs:
            await self._quiet.wait()
            if not self._jobs:
                return
            job = next(reversed(self._jobs.values()))
            rest = self._last_answer + job.rest_s - time.monotonic()
            if rest > 0:
                await asyncio.sleep(rest)
                continue
            self._job, self._running = job, asyncio.create_task(_tried(job.work))
            await asyncio.wait({self._running})
            stopped = self._running.cancelled()
            self._job = self._running = None
            if self._jobs.get(job.document) is job and not (stopped and job.again):
                del self._jobs[job.document]
                job.ended.set()


async def _tried(work: Callable[[], Awaitable[None]]) -> None:
    # Nobody waits for it: who asks next is told what is wrong.
    with contextlib.suppress(MidspanError):
        await work()
