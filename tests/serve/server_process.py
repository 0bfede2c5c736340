"""The HTTP server as a process of its own, over a socket."""

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

START = "import sys, json; from midspan.serve.run import serve; serve(sys.argv[1], port=0, **json.loads(sys.argv[2]))"


@contextmanager
def running(model: Path, log: Path, **settings) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(model), json.dumps({"threads": 1} | settings)],
            stdout=stderr,
            stderr=stderr,
            cwd=Path.cwd(),
        )
    try:
        started = time.monotonic()
        while not (found := re.search(r"http://\S+", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() - started < 60
            time.sleep(0.05)
        with httpx.Client(base_url=found.group(), timeout=30, trust_env=False) as client:
            yield client, psutil.Process(process.pid)
    finally:
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive
