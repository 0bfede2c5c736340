"""A server as a process of its own, as `midspan serve` starts it."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

START = "import sys, json; from midspan.serve.run import serve; serve(None, json.loads(sys.argv[1]))"

PATIENCE = 60.0
"""Seconds that tests wait for what will happen: other tests load the machine."""
PATIENT = {"timeout_ms": 60_000}
"""Other tests load the machine."""


@contextmanager
def running(model: Path | str, log: Path, **settings) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """The server behind `model`, a client of it, and its process; it is ended by SIGTERM and must end well."""
    settings = {"model": str(model), "port": 0, "threads": 1, "limits": PATIENT} | settings
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps(settings)], stdout=stderr, stderr=stderr, cwd=Path.cwd()
        )
    try:
        started = time.monotonic()
        while not (found := re.search(r"http\S+:\d+", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() - started < 60
            time.sleep(0.05)
        with httpx.Client(base_url=found.group(), timeout=30, trust_env=False, verify=False) as client:
            yield client, psutil.Process(process.pid)
    finally:
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        assert (code := process.wait(timeout=20)) == 0, code
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive


def until(true: Callable[[], bool]) -> None:
    """Wait for a condition."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < PATIENCE
        time.sleep(0.01)


@contextmanager
def halted(process: psutil.Process) -> Iterator[psutil.Process]:
    """The engine's process, halted: what it is asked meanwhile stays unfinished, however fast the machine is."""
    (child,) = process.children()
    child.suspend()
    try:
        yield child
    finally:
        if child.is_running():
            child.resume()


def engine_connections(process: psutil.Process, child: psutil.Process) -> set[int]:
    """The connections that the server has to its engine, by their ports."""
    (port,) = [c.laddr.port for c in child.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return {
        connection.laddr.port
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED and connection.raddr.port == port
    }
