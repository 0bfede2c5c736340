"""`run_python`: one program in a process of its own that cannot reach the network, other processes or your files.

See `confine` for what holds the program. Linux only: elsewhere nothing is run.
"""

import math
import secrets
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from midspan.errors import MidspanError

CHILD = Path(__file__).with_name("child.py")
UNCONFINED = b"unconfined"
"""What the child answers instead of running a program it cannot confine."""
LONGEST_MESSAGE = 300

Verdict = Literal["passed", "failed", "timeout"]


@dataclass(frozen=True)
class Limits:
    """What a program may use: seconds of wall clock, bytes of memory, bytes per file it writes."""

    seconds: float = 3.0
    memory: int = 1_000_000_000
    file_bytes: int = 10_000_000


@dataclass(frozen=True)
class Outcome:
    """How a program ended; `message` is the last line it wrote to standard error, "" if it passed."""

    verdict: Verdict
    message: str = ""


def run_python(program: str, limits: Limits) -> Outcome:
    """Run `program` to its end, in an empty folder that is removed afterwards.

    "passed" means that it reached its end; an exception, an early exit or a limit that is hit is "failed". Raises
    MidspanError where programs cannot be confined.
    """
    if sys.platform != "linux":
        raise _unconfined()
    nonce = secrets.token_hex(16).encode()
    bounds = (limits.memory, math.ceil(limits.seconds), limits.file_bytes)
    with tempfile.TemporaryDirectory(prefix="midspan-sandbox-") as folder, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(CHILD), folder, *map(str, bounds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={"HOME": folder, "TMPDIR": folder, "PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        with process.stdout:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(nonce + b"\n" + program.encode(errors="replace"))
            try:
                process.wait(limits.seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return Outcome("timeout", f"still running after {limits.seconds:g} s")
            said = process.stdout.read(len(nonce))
        if said == nonce:
            return Outcome("passed")
        if said.startswith(UNCONFINED):
            raise _unconfined()
        errors.seek(0)
        lines = errors.read().decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), f"ended early with code {process.returncode}")
    return Outcome("failed", last[:LONGEST_MESSAGE])


def _unconfined() -> MidspanError:
    return MidspanError(
        "programs that a model wrote are run only where they can be confined, and here they cannot",
        "use Linux 5.13 or newer with Landlock and seccomp, outside of containers that hide them",
    )
