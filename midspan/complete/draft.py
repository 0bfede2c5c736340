"""What the steps work on: generated text at its place in the document."""

import re
from dataclasses import dataclass, replace

from midspan.complete.confidence import Evidence
from midspan.syntax.languages import Language

CLOSERS = frozenset(")]};,")
"""What stands on a line that only closes something."""
_BREAK = re.compile(r"[\r\n]")


@dataclass(frozen=True)
class Draft:
    """Text that may stand between `prefix` and `suffix`, in place of the first `replace` characters of the suffix.

    `insertable` is where the text begins to write again what it replaces; it means something only if it replaces
    anything. `block` says that several lines are wanted, `quoted` that the caret is in a string or a comment;
    `truncated` that the generation met its token limit; `dropped` is empty or the reason for which nothing is to be
    shown. `evidence` is what is known of how sure the model was; suggestions with less than `min_confidence` are not
    wanted.
    """

    text: str
    prefix: str
    suffix: str
    language: Language | None = None
    block: bool = True
    quoted: bool = False
    truncated: bool = False
    dropped: str = ""
    replace: int = 0
    insertable: int = 0
    evidence: Evidence | None = None
    min_confidence: float = 0.0

    def cut(self, end: int) -> "Draft":
        """The draft with its first `end` characters only; a text that is cut ends where it should."""
        return replace(self, text=self.text[:end], truncated=self.truncated and end >= len(self.text))

    def drop(self, reason: str) -> "Draft":
        """The draft without text, for `reason`."""
        return replace(self, text="", replace=0, dropped=reason)

    @property
    def line_before(self) -> str:
        """The caret's line up to the caret."""
        return self.prefix[max(self.prefix.rfind("\n"), self.prefix.rfind("\r")) + 1 :]

    @property
    def line_behind(self) -> str:
        """The caret's line from the caret on, without its line break."""
        end = _BREAK.search(self.suffix)
        return self.suffix[: end.start()] if end else self.suffix


def only_closes(line: str) -> bool:
    """Whether a line holds nothing but closing brackets and separators, or nothing at all."""
    return all(character in CLOSERS for character in "".join(line.split()))
