"""A suggestion never writes again what already stands behind the caret.

Two rules. A closing bracket that the text did not open, and that the document closes itself right behind the caret,
ends the text: editors write closing brackets on their own, and models write them again. Then an end of the text that
equals the beginning of what follows is taken off, unless that is only a bracket or quote the text itself opened.
"""

from midspan.complete.draft import Draft
from midspan.syntax.brackets import OPENERS, tokens_behind
from midspan.syntax.languages import Language

PREFIX_CHARS = 8_192
"""Characters of the prefix that are parsed to tell brackets in strings from others."""
MIN_WORDS_OVERLAP = 3
"""Characters of text (not of punctuation) from which on an overlap is no accident."""
SEPARATORS = frozenset(";,:")
QUOTES = frozenset("\"'`")


def trim_suffix_overlap(draft: Draft) -> Draft:
    """Take off the end of the text what the suffix repeats. Quadratic in the length of the overlap only."""
    trimmed = draft.cut(_closed_by_document(draft))
    while size := _overlap(trimmed):
        trimmed = trimmed.cut(len(trimmed.text) - size)
    return trimmed


def _closed_by_document(draft: Draft) -> int:
    """Where the text begins to close what the document closes behind the caret; its length if it does not."""
    following = draft.suffix.lstrip()[:1]
    open_here, _ = _balance(_plain_brackets(draft.line_before))
    _, closed_here = _balance(_plain_brackets(draft.line_behind))
    allowed, depth = max(0, open_here - closed_here), 0
    for offset, bracket in _brackets(draft):
        if bracket in OPENERS:
            depth += 1
        elif depth:
            depth -= 1
        elif allowed:
            allowed -= 1
        else:
            return offset if bracket == following else len(draft.text)
    return len(draft.text)


def _overlap(draft: Draft) -> int:
    """Length of the longest end of the text that repeats the beginning of the suffix."""
    for size in range(min(len(draft.text), len(draft.suffix)), 0, -1):
        overlap = draft.suffix[:size]
        if draft.text.endswith(overlap) and _is_repetition(overlap, draft):
            return size
    return 0


def _is_repetition(overlap: str, draft: Draft) -> bool:
    visible = "".join(overlap.split())
    punctuation = SEPARATORS | QUOTES | OPENERS.keys() | set(OPENERS.values())
    if any(character not in punctuation for character in visible):
        rest = draft.line_behind.rstrip()
        return len(visible) >= MIN_WORDS_OVERLAP or (bool(rest) and overlap.startswith(rest))
    opened, closed = _balance(_plain_brackets(overlap))
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


def _brackets(draft: Draft) -> list[tuple[int, str]]:
    """The brackets of the text with their offsets, those inside strings and comments left out."""
    if draft.language is None:
        return _plain_brackets(draft.text)
    return _code_brackets(draft.prefix, draft.text, draft.language)


def _code_brackets(prefix: str, text: str, language: Language) -> list[tuple[int, str]]:
    if len(prefix) > PREFIX_CHARS:
        prefix = prefix[-PREFIX_CHARS:].partition("\n")[2]
    before = prefix.encode()
    written = text.encode()
    brackets = tokens_behind(before, written, language).brackets
    return [(len(written[: offset - len(before)].decode()), bracket) for offset, bracket in brackets]


def _plain_brackets(text: str) -> list[tuple[int, str]]:
    return [(at, character) for at, character in enumerate(text) if character in "()[]{}"]
