"""A Neovim without a screen, driven over its socket."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installed_tools import NEOVIM, needed


class Neovim:
    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def _remote(self, flag: str, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [NEOVIM, "--server", self.socket, flag, text],
            capture_output=True,
            text=True,
            timeout=30,
            env=_environment(),
        )

    def keys(self, keys: str) -> None:
        """Type `keys`, in Vim's notation."""
        answer = self._remote("--remote-send", keys)
        assert answer.returncode == 0, answer.stderr

    def value(self, expression: str) -> str:
        answer = self._remote("--remote-expr", expression)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip("\n")

    def wait(self, expression: str, expected: str, seconds: float = 30) -> None:
        started = time.monotonic()
        while (found := self.value(expression)) != expected:
            assert time.monotonic() - started < seconds, [expression, found, self.value("execute('messages')")]
            time.sleep(0.05)


@contextmanager
def neovim(folder: Path, file: Path, *commands: str) -> Iterator[Neovim]:
    """A Neovim that edits `file`; `commands` come before its plugins are loaded."""
    socket = folder / "nvim.sock"
    options = [option for command in commands for option in ("--cmd", command)]
    process = subprocess.Popen(
        [needed(NEOVIM), "--headless", "--clean", "--listen", socket, *options, file],
        stdin=subprocess.DEVNULL,
        env=_environment() | {"HOME": str(folder), "XDG_STATE_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
    )
    editor = Neovim(socket)
    try:
        started = time.monotonic()
        while editor._remote("--remote-expr", "1").returncode:
            assert process.poll() is None and time.monotonic() - started < 30
            time.sleep(0.05)
        yield editor
    finally:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("NVIM", "VIM"))}
