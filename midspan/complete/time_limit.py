"""A limit on the time that lines after the first may take; what is late is left out in whole lines."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class TimeLimit:
    """Asked of a text that grows: whether it has more than one line and has grown for longer than `ms` milliseconds.

    The time runs from the first text on. None is no limit.
    """

    ms: float | None
    clock: Callable[[], float] = time.monotonic
    over: bool = False
    _started: float | None = field(default=None, init=False)

    def __call__(self, text: str) -> bool:
        """Whether the generation of `text` is to end."""
        if self.ms is None:
            return False
        now = self.clock()
        if self._started is None:
            self._started = now
        self.over = "\n" in text and (now - self._started) * 1_000 > self.ms
        return self.over

    def cut(self, text: str) -> str:
        """What there is of the text: if time ran out, the lines that are whole."""
        return text[: text.rfind("\n")] if self.over else text
