"""Progress of long work on the terminal: a bar where a person looks on, a line now and then in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

LOG_SECONDS = 10.0


class Task:
    """One piece of long work: `advance` it, and `say` how it is going."""

    def __init__(self, progress: "Progress", title: str, total: int | None, done: int, bars: Bars | None) -> None:
        self._progress, self._title, self._total, self._bars = progress, title, total, bars
        self._id = bars.add_task(title, total=total, completed=done, status="") if bars else None
        self._done, self._status = done, ""
        self._began, self._done_before = time.monotonic(), done
        self._logged = self._began

    def advance(self, amount: int = 1) -> None:
        """Count `amount` more units as done."""
        self._show(self._done + amount, self._status)

    def say(self, status: str) -> None:
        """Show a short text beside the bar, such as the loss."""
        self._show(self._done, status)

    def _show(self, done: int, status: str) -> None:
        self._done, self._status = done, status
        if self._bars and self._id is not None:
            self._bars.update(self._id, completed=done, status=status)
        elif time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            of = f"/{self._total}{self._left()}" if self._total else ""
            self._progress.log(f"{self._title}: {done}{of} {status}".rstrip())

    def _left(self) -> str:
        """The time that is left if the rest goes as fast as what this process has done."""
        made = self._done - self._done_before
        if not self._total or made <= 0:
            return ""
        seconds = (time.monotonic() - self._began) / made * (self._total - self._done)
        return f", about {seconds:.0f} s left" if seconds < 90 else f", about {seconds / 60:.0f} min left"


class Progress:
    """Where stages report to. `quiet` prints nothing at all."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(file=sys.stderr, quiet=quiet)

    def log(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def task(self, title: str, total: int | None = None, done: int = 0) -> Iterator[Task]:
        """Report one piece of long work of `total` units (unknown if None) while the context is open.

        `done` units were done before, as after a kill; they say nothing about how long the rest takes.
        """
        if not self.console.is_terminal:
            yield Task(self, title, total, done, None)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
        )
        with Bars(*columns, console=self.console, transient=True) as bars:
            yield Task(self, title, total, done, bars)
