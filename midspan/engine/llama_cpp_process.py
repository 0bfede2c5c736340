"""The llama.cpp child process: start, readiness, end."""

import asyncio
import json
import secrets
import signal
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from midspan.engine.protocol import EngineError
from midspan.engine.slots import Slots

WORKER = Path(__file__).with_name("llama_cpp_worker.py")
STOP_SECONDS = 5.0
LOAD_SECONDS = 600
"""Longest wait for a model to be loaded: tens of gigabytes from a slow disk take minutes."""


@dataclass(frozen=True)
class Settings:
    """What the child is told. `context_length` is per slot; `cache_mib` bounds the memory for prompts set aside.

    `batch_tokens` are computed at once while a prompt is read; between batches requests begin and end.
    """

    model: str
    context_length: int
    slots: int = 1
    threads: int | None = None
    batch_tokens: int = 512
    cache_mib: int = 512
    flash_attention: bool = False


@dataclass
class Child:
    """A child that has loaded its model. `fault` says why it was killed, if it was killed for a reason of ours."""

    process: asyncio.subprocess.Process
    address: str
    key: str
    slots: Slots
    fault: str = ""

    @property
    def alive(self) -> bool:
        """Whether the process is known to run still."""
        return self.process.returncode is None

    async def stop(self) -> None:
        """End the process: it is asked by closing its input, and killed if it does not follow."""
        if not self.alive:
            return
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            await _kill(self.process)

    @property
    def end(self) -> str:
        """How it ended, in words."""
        return self.fault or _ended(self.process.returncode)


async def start(settings: Settings) -> Child:
    """Start a child and wait until it has loaded the model. Raises EngineError with llama.cpp's reason if it cannot.

    The api key is fresh and random and goes through standard input, so that no other user of the machine sees it.
    """
    key = secrets.token_urlsafe(32)
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(WORKER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps({**asdict(settings), "key": key}).encode() + b"\n")
            async with asyncio.timeout(LOAD_SECONDS):
                line = await process.stdout.readline()
            if not line:
                await process.wait()
                log.seek(0)
                raise EngineError(
                    f"llama.cpp cannot load {settings.model}: {_reason(log.read(), process.returncode)}",
                    "check that the file is a whole GGUF model that fits in memory",
                )
        except BaseException as error:
            await asyncio.shield(_kill(process))
            if isinstance(error, TimeoutError):
                raise EngineError(
                    f"llama.cpp did not load {settings.model} within {LOAD_SECONDS} s",
                    "see what the machine waits for",
                ) from None
            raise
    return Child(process, json.loads(line)["address"], key, Slots(settings.slots))


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


def _reason(log: bytes, returncode: int | None) -> str:
    """The first complaint in llama.cpp's messages, or how the process ended."""
    for line in log.decode(errors="replace").splitlines():
        _, marker, message = line.partition(" E ")
        if marker:
            return message.partition(": ")[2] or message
    return _ended(returncode)


def _ended(returncode: int | None) -> str:
    """How a process ended, in words."""
    if returncode is not None and returncode < 0:
        return f"its process was ended by {signal.Signals(-returncode).name}"
    return f"its process ended with code {returncode}"
