"""Daft, set up for our use: it reports nothing home and leaves the terminal to our own progress.

The native runner uses all cores of one machine. If the environment variable `MIDSPAN_RAY_ADDRESS` names a Ray cluster
(`auto` is the one this machine belongs to), the same dataframes run there and give the same bytes; its nodes need
Midspan, and the sources and the folder of runs under the same paths.
"""

import os
import socket

os.environ.setdefault("DAFT_ANALYTICS_ENABLED", "0")
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import daft

from midspan.errors import MidspanError

__all__ = ["daft", "start_runner"]

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
