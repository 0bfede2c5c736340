"""A typing simulation: of the characters of the truth, how many a perfect user need not type.

A perfect user knows the truth, sees the one suggestion at the caret, and accepts of it what is right, never more:

* *whole*: the suggestion as it stands, if the truth begins with it (white space at the suggestion's end aside);
* *by line*: as many whole lines from its beginning as the truth has too;
* *by word*: as many words from its beginning as the truth has too; a word is a run of letters, digits and underscores,
  or of other visible characters, with the white space before it, as editors step.

Each acceptance is one key press, so it saves one character less than it brings. Nothing is asked again while the user
types on: this is what a suggestion is worth, not a session. Indentation counts, since the user would have to mend it.
"""

import re
from dataclasses import dataclass

_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)")


@dataclass(frozen=True)
class Saved:
    """Characters of the truth that need not be typed, by way of accepting."""

    whole: int
    by_line: int
    by_word: int


def saved(suggestion: str, truth: str) -> Saved:
    """What a perfect user saves; never negative, and never more than the truth has."""
    text = suggestion.rstrip()
    words = [match.end() for match in _WORD.finditer(text)]
    lines = [match.start() for match in re.finditer(r"\n", text)] + [len(text)]
    return Saved(
        whole=max(0, len(text) - 1) if truth.startswith(text) else 0,
        by_line=_accepted(text, truth, [end for end in lines if _ends_line(truth, end)]),
        by_word=_accepted(text, truth, words),
    )


def _ends_line(truth: str, place: int) -> bool:
    """Whether nothing visible stands in the truth between `place` and the end of its line."""
    return not truth[place:].partition("\n")[0].strip()


def _accepted(text: str, truth: str, ends: list[int]) -> int:
    """Characters brought less acceptances, over the pieces of `text` that end at `ends`, while they are right."""
    kept = start = 0
    for end in ends:
        if not truth.startswith(text[start:end], start):
            break
        kept += max(0, end - start - 1)
        start = end
    return kept
