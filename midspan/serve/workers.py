"""Several processes that serve one port, before a remote engine.

Each worker is a whole server; the kernel spreads connections over them (SO_REUSEPORT). They share nothing but the
directory of their metrics. The parent starts them, starts another where one ends, and passes signals on.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event

from prometheus_client.multiprocess import mark_process_dead

from midspan.errors import MidspanError
from midspan.serve.listen import reserve, url_of
from midspan.serve.metrics import SHARED

RESTART_SECONDS = 1.0
"""Least time between two starts in one worker's place: one that ends at once must not be started without a pause."""
STOP_SECONDS = 5.0
"""How much longer than they were given to finish their requests the workers may take to end."""

Work = Callable[[str, int, Event], None]
"""Serve on a host and a port, and set the event when ready; it is run in another process."""


def run_workers(work: Work, count: int, host: str, port: int, *, scheme: str, drain_seconds: float) -> None:
    """Run `count` processes of `work` on one port until SIGINT or SIGTERM.

    Raises MidspanError if the port is taken or a worker cannot start.
    """
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    crew: list[_Place] = []

    def reload(number: int, frame: object) -> None:
        for worker in crew:
            worker.send(signal.SIGHUP)

    with reserve(host, port) as place, tempfile.TemporaryDirectory(prefix="midspan-metrics-") as metrics:
        os.environ[SHARED] = metrics
        crew += [_Place(work, *place.getsockname()[:2]) for _ in range(count)]
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, reload)

        try:
            if _all_ready(crew, lambda: stopping):
                print(f"midspan serves on {url_of(place, scheme)} ({count} workers)", file=sys.stderr, flush=True)
            while not stopping:
                wait([worker.process.sentinel for worker in crew], timeout=0.5)
                for worker in crew:
                    worker.keep_up()
        finally:
            for worker in crew:
                worker.send(signal.SIGTERM)
            for worker in crew:
                worker.end(drain_seconds + STOP_SECONDS)
            for number, handler in before.items():
                signal.signal(number, handler)
            del os.environ[SHARED]


class _Place:
    """One worker, or the next in its place."""

    def __init__(self, work: Work, host: str, port: int) -> None:
        self._work, self._host, self._port = work, host, port
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.ready, self._started = context.Event(), time.monotonic()
        self.process: SpawnProcess = context.Process(target=self._work, args=(self._host, self._port, self.ready))
        self.process.start()

    def keep_up(self) -> None:
        """Start another if it has ended."""
        if self.process.is_alive() or time.monotonic() - self._started < RESTART_SECONDS:
            return
        self._bury()
        print("midspan: a worker ended; another takes its place", file=sys.stderr, flush=True)
        self._start()

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, number)

    def end(self, seconds: float) -> None:
        """Wait until it has ended; past `seconds` it is killed."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self._bury()

    def _bury(self) -> None:
        """What it counted stays; what it measured (requests in work) is over."""
        mark_process_dead(self.process.pid)  # type: ignore[no-untyped-call]


def _all_ready(crew: list[_Place], stopped: Callable[[], bool]) -> bool:
    """Wait until all serve; False if told to stop before. Raises MidspanError if one ends instead."""
    while not stopped() and not all(worker.ready.is_set() for worker in crew):
        if not all(worker.process.is_alive() for worker in crew):
            raise MidspanError("a worker could not start", "what it said stands above")
        time.sleep(0.02)
    return not stopped()
