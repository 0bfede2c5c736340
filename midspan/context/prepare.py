"""Computing features of many texts, in several processes if there is much to do.

Each worker is a fresh interpreter (`python -m midspan.context.prepare`) that gets functions and texts through a pipe,
pickled, and answers with bytes. Unlike the pools of the standard library this never runs the caller's main module
again, and a worker ends by itself when its parent is gone. Functions that a worker cannot import are called here.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import BinaryIO, NamedTuple

from midspan.context.sets import Feature, Sets
from midspan.context.store import IndexStore, pack

MANY_CHARS = 2_000_000
"""From here on starting workers (half a second) pays."""
BATCH_CHARS = 500_000
MAX_WORKERS = 4
"""Each takes about 50 MB."""
NICENESS = 5


class Job(NamedTuple):
    """A text of about `chars` characters, and the numbers of the features it lacks."""

    digest: bytes
    chars: int
    lacking: tuple[int, ...]


Compute = Callable[[str], Sets]
Task = list[tuple[str, tuple[int, ...]]]


def compute_all(store: IndexStore, features: Sequence[Feature], jobs: Sequence[Job], stop: Event) -> None:
    """Do all jobs and save each batch as it is done; returns early once `stop` is set."""
    batches = _Batches(jobs)
    workers = min(MAX_WORKERS, _cores())
    if workers > 1 and sum(job.chars * len(job.lacking) for job in jobs) >= MANY_CHARS:
        _compute_apart(store, features, batches, workers, stop)
    computes = [feature.compute for feature in features]
    for batch in batches:
        if stop.is_set():
            return
        found, task = _task(store, batch)
        _save(store, features, found, _answer(computes, task))


class _Batches:
    """Jobs in batches, taken by any thread; a batch can be given back."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._left: list[list[Job]] = []
        size = BATCH_CHARS
        for job in jobs:
            if size >= BATCH_CHARS:
                self._left.append([])
                size = 0
            self._left[-1].append(job)
            size += job.chars
        self._lock = Lock()

    def __iter__(self) -> Iterator[list[Job]]:
        while True:
            with self._lock:
                if not self._left:
                    return
                batch = self._left.pop()
            yield batch

    def give_back(self, batch: list[Job]) -> None:
        """Leave a batch to whoever comes next."""
        with self._lock:
            self._left.append(batch)


def _compute_apart(
    store: IndexStore, features: Sequence[Feature], batches: _Batches, workers: int, stop: Event
) -> None:
    """Let workers take batches; what they cannot do is left over."""
    try:
        functions = pickle.dumps([feature.compute for feature in features])
    except Exception:  # pickle raises whatever the object at hand does
        return
    processes: list[subprocess.Popen[bytes]] = []
    failed = Event()

    def serve(process: subprocess.Popen[bytes]) -> None:
        for batch in batches:
            found, task = _task(store, batch)
            try:
                answer = None if stop.is_set() or failed.is_set() else _ask(process, task)
            except (OSError, EOFError, pickle.UnpicklingError, ValueError):
                failed.set()
                answer = None
            if answer is None:
                batches.give_back(batch)
                return
            _save(store, features, found, answer)

    threads: list[Thread] = []
    try:
        for _ in range(workers):
            process = _start(functions)
            processes.append(process)
            threads.append(Thread(target=serve, args=(process,), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()
    except OSError:
        failed.set()
    finally:
        failed.set()
        for process in processes:
            process.kill()
        for thread in threads:
            thread.join()
        for process in processes:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
            process.wait()


def _start(functions: bytes) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        # -P: nothing may be imported from the current directory, which can be the project itself.
        [sys.executable, "-P", "-m", "midspan.context.prepare"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    with suppress(OSError):  # a worker that did not start is noticed when it does not answer
        pickle.dump((sys.path, functions), process.stdin)
        process.stdin.flush()
    return process


def _ask(process: subprocess.Popen[bytes], task: Task) -> list[list[bytes]]:
    assert process.stdin is not None and process.stdout is not None
    pickle.dump(task, process.stdin)
    process.stdin.flush()
    answer: list[list[bytes]] = pickle.load(process.stdout)
    return answer


def _task(store: IndexStore, batch: list[Job]) -> tuple[list[Job], Task]:
    """The jobs whose texts are still there, and what is to be done for them."""
    found, task = [], []
    for job in batch:
        with suppress(KeyError):
            task.append((store.text(job.digest), job.lacking))
            found.append(job)
    return found, task


def _answer(computes: Sequence[Compute], task: Task) -> list[list[bytes]]:
    return [[pack(computes[number](text)) for number in lacking] for text, lacking in task]


def _save(store: IndexStore, features: Sequence[Feature], batch: list[Job], answer: list[list[bytes]]) -> None:
    values: dict[str, dict[bytes, bytes]] = {}
    for job, packed in zip(batch, answer, strict=True):
        for number, data in zip(job.lacking, packed, strict=True):
            values.setdefault(features[number].name, {})[job.digest] = data
    store.save_packed(values)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _work(requests: BinaryIO, answers: BinaryIO) -> None:
    """What a worker does until its parent hangs up."""
    sys.path[:], functions = pickle.load(requests)
    computes: list[Compute] = pickle.loads(functions)
    while True:
        try:
            task = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(_answer(computes, task), answers)
        answers.flush()


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    # Whatever the functions print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _work(sys.stdin.buffer, answers)
