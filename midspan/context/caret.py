"""What a strategy may know of the caret: the whole lines around it, and where the user was lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from midspan.context.lines import split_lines
from midspan.context.similarity import WINDOW_LINES

QUERY_STEP = 4
QUERY_LINES_ABOVE = 12
QUERY_LINES_BELOW = WINDOW_LINES - QUERY_LINES_ABOVE


class Spot(NamedTuple):
    """A line of a file, counted from 0."""

    path: str
    line: int


@dataclass(frozen=True)
class Caret:
    """A caret in `path`: the lines above and below its own, and files opened and places edited lately."""

    path: str
    above: list[str]
    below: list[str]
    recent: tuple[str, ...] = ()
    edited: tuple[Spot, ...] = ()

    @classmethod
    def at(
        cls, path: str, prefix: str, suffix: str, recent: Sequence[str] = (), edited: Sequence[Spot] = ()
    ) -> "Caret":
        """The caret between `prefix` and `suffix`."""
        above = split_lines(prefix)
        if prefix and not prefix.endswith("\n"):
            above.pop()
        return cls(path, above, split_lines(suffix)[1:], tuple(recent), tuple(edited))

    @property
    def around(self) -> list[str]:
        """The window around the caret.

        Its upper part ends at a multiple of QUERY_STEP lines from the top of the file, its lower part begins at one
        from the bottom: it stays put while the user types a few lines or moves the caret a few lines through existing
        code. Where fewer lines than a step exist, all of them are taken.
        """
        end = len(self.above) - len(self.above) % QUERY_STEP or len(self.above)
        start = len(self.below) % QUERY_STEP if len(self.below) >= QUERY_STEP else 0
        return self.above[max(0, end - QUERY_LINES_ABOVE) : end] + self.below[start : start + QUERY_LINES_BELOW]

    @property
    def lately(self) -> list[str]:
        """Paths opened or edited lately, other than the caret's own."""
        return [
            path for path in dict.fromkeys([*self.recent, *(spot.path for spot in self.edited)]) if path != self.path
        ]

    def note(self, path: str, first: int, end: int) -> str:
        """What the user did lately with lines [first, end) of `path`, as the end of a reason."""
        if any(spot.path == path and first <= spot.line < end for spot in self.edited):
            return ", recently edited"
        return ", recently opened" if path in self.recent else ""
