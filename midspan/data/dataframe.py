"""Daft, set up for our use: it reports nothing home and leaves the terminal to our own progress.

The native runner uses all cores of one machine. If the environment variable `MIDSPAN_RAY_ADDRESS` names a Ray cluster
(`auto` is the one this machine belongs to), the same dataframes run there and give the same bytes; its nodes need
Midspan, and the sources and the folder of runs under the same paths.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence

os.environ.setdefault("DAFT_ANALYTICS_ENABLED", "0")
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import daft

from midspan.errors import MidspanError

__all__ = ["daft", "each_done", "start_runner"]

RAY_ADDRESS = "MIDSPAN_RAY_ADDRESS"
CONNECT_SECONDS = 10


def start_runner() -> int:
    """Connect to the cluster, if one is named; the number of processors to use.

    Raises MidspanError if Ray is not installed or the cluster does not answer.
    """
    address = os.environ.get(RAY_ADDRESS)
    if not address:
        return os.cpu_count() or 1
    try:
        import ray
    except ImportError:
        raise MidspanError(
            f"{RAY_ADDRESS} is set, but Ray is not installed", "install it with: pip install 'midspan[cluster]'"
        ) from None
    try:
        if address != "auto":  # Ray itself would try for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise MidspanError(
            f"cannot reach the Ray cluster {address}: {str(error).splitlines()[0]}",
            f"set {RAY_ADDRESS} to HOST:PORT as `ray start --head` says, or to auto, or unset it",
        ) from None
    daft.set_runner_ray(address=address, noop_if_initialized=True)
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 1))


def each_done(work: Callable[[str], None], tasks: Sequence[str], processes: int) -> Iterator[None]:
    """Do `work` of each task in so many processes, one task at a time in each; yields as each is done.

    A single task is done here: to start a process takes two seconds. Raises the OSError that a task ends with.
    """
    workers = min(len(tasks), processes)
    if workers <= 1:
        for task in tasks:
            work(task)
            yield
        return
    worker = daft.cls(_Worker, use_process=True, max_concurrency=workers)(work)
    frame = daft.from_pydict({"task": list(tasks)}).into_batches(1)
    for row in frame.select(worker.do(daft.col("task")).alias("failure")).iter_rows():
        if failure := row["failure"]:
            raise OSError(*json.loads(failure))
        yield


class _Worker:
    """What runs in Daft's worker processes.

    It answers a failure to write, as the arguments of OSError in JSON: an exception would reach the user through Daft.
    """

    def __init__(self, work: Callable[[str], None]) -> None:
        self._work = work

    @daft.method(return_dtype=daft.DataType.string())
    def do(self, task: str) -> str:
        try:
            self._work(task)
        except OSError as error:
            return json.dumps([error.errno, error.strerror or str(error), error.filename])
        return ""
