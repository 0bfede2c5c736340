"""What the steps work on: generated text at its place in the document."""

from dataclasses import dataclass, replace

from midspan.syntax.languages import Language

CLOSERS = frozenset(")]};,")
"""What stands on a line that only closes something."""


@dataclass(frozen=True)
class Draft:
    """Text that may be inserted between `prefix` and `suffix`.

    `block` says that several lines are wanted; `truncated` that the generation met its token limit; `dropped` is empty
    or the reason for which nothing is to be shown.
    """

    text: str
    prefix: str
    suffix: str
    language: Language | None = None
    block: bool = True
    truncated: bool = False
    dropped: str = ""

    def cut(self, end: int) -> "Draft":
        """The draft with its first `end` characters only."""
        return replace(self, text=self.text[:end])

    def drop(self, reason: str) -> "Draft":
        """The draft without text, for `reason`."""
        return replace(self, text="", dropped=reason)

    @property
    def line_before(self) -> str:
        """The caret's line up to the caret."""
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @property
    def line_behind(self) -> str:
        """The caret's line from the caret on, without its line break."""
        return self.suffix.partition("\n")[0].removesuffix("\r")


def only_closes(line: str) -> bool:
    """Whether a line holds nothing but closing brackets and separators, or nothing at all."""
    return all(character in CLOSERS for character in "".join(line.split()))
