"""A server as a process of its own, as `midspan serve` starts it."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

START = "import sys, json; from midspan.serve.run import serve; serve(None, json.loads(sys.argv[1]))"

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
        assert process.wait(timeout=20) == 0
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive
