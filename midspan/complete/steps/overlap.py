"""A suggestion never writes again what already stands behind the caret.

Three rules. Editors write closing brackets and quotes on their own, and models write them again: a closer that the text
did not open, and that the document has right behind the caret, ends the text. Unless the text goes on behind it, and
nothing but closers follows on the caret's line: then the text takes the place of the closers it writes again (caret in
`def f(|)`, text `a, b):`), provided that the syntax stays whole. Last, an end of the text that equals the beginning of
what follows is taken off, unless that is only a bracket or quote the text itself opened.
"""

from collections.abc import Iterator
from dataclasses import replace

from midspan.complete.brackets import QUOTES, brackets_of, plain_brackets
from midspan.complete.draft import Draft
from midspan.syntax.brackets import CLOSERS, OPENERS
from midspan.syntax.broken import breaks

MIN_WORDS_OVERLAP = 3
"""Characters of text (not of punctuation) from which on an overlap is no accident."""
SEPARATORS = frozenset(";,:")


def trim_suffix_overlap(draft: Draft) -> Draft:
    """Take off the end of the text what the suffix repeats, or let the text replace it."""
    trimmed = _without_closers(draft)
    while size := _overlap(trimmed):
        trimmed = trimmed.cut(len(trimmed.text) - size)
    return trimmed


def closers_behind(draft: Draft) -> str:
    """The rest of the caret's line, if it is closers and separators only and one of them stands at the caret."""
    rest = draft.line_behind.rstrip()
    return rest if rest and all(each in CLOSERS or each in QUOTES or each in SEPARATORS for each in rest) else ""


def _without_closers(draft: Draft) -> Draft:
    """The text up to where it closes what the document closes behind the caret, or with what it replaces."""
    closing = list(_closing(draft))
    following = draft.suffix.lstrip()[:1]
    if not closing or draft.text[closing[0]] != following:
        return draft
    first, rest = closing[0], closers_behind(draft)
    count = end = 0
    for offset in closing:
        if count < len(rest) and draft.text[offset] == rest[count]:
            count, end = count + 1, offset + 1
    if count and draft.text.rstrip().endswith(rest[count:]):
        count, end = len(rest), len(draft.text.rstrip())
    goes_on = bool(draft.text[end:].strip()) or draft.text[first:end] != rest[:count]
    if not (count and goes_on and draft.language):
        return draft.cut(first)
    if breaks(draft.prefix, draft.text, draft.suffix, draft.language, replace=count):
        return draft.cut(first)
    return replace(draft, replace=count, insertable=first)


def _closing(draft: Draft) -> Iterator[int]:
    """Offsets of the closers in the text that close what was opened before it and what it may not close itself."""
    open_here, _ = _balance(plain_brackets(draft.line_before))
    _, closed_here = _balance(plain_brackets(draft.line_behind))
    allowed, depth = max(0, open_here - closed_here), 0
    for offset, bracket in brackets_of(draft):
        if bracket in OPENERS:
            depth += 1
        elif bracket in QUOTES:
            yield offset
        elif depth:
            depth -= 1
        elif allowed:
            allowed -= 1
        else:
            yield offset


def _overlap(draft: Draft) -> int:
    """Length of the longest end of the text that repeats the beginning of what will follow it."""
    suffix = draft.suffix[draft.replace :]
    for size in range(min(len(draft.text), len(suffix)), 0, -1):
        overlap = suffix[:size]
        if draft.text.endswith(overlap) and _is_repetition(overlap, draft):
            return size
    return 0


def _is_repetition(overlap: str, draft: Draft) -> bool:
    visible = "".join(overlap.split())
    punctuation = SEPARATORS | QUOTES | OPENERS.keys() | CLOSERS
    if any(character not in punctuation for character in visible):
        rest = draft.line_behind[draft.replace :].rstrip()
        return len(visible) >= MIN_WORDS_OVERLAP or (bool(rest) and overlap.startswith(rest))
    opened, closed = _balance(plain_brackets(overlap))
    if opened or closed:
        return False
    return all(overlap.count(quote) % 2 == 0 or draft.text.count(quote) % 2 == 1 for quote in QUOTES)


def _balance(brackets: list[tuple[int, str]]) -> tuple[int, int]:
    """How many brackets stay open, and how many close what was opened before."""
    opened = closed = 0
    for _, bracket in brackets:
        if bracket in OPENERS:
            opened += 1
        elif opened:
            opened -= 1
        else:
            closed += 1
    return opened, closed
