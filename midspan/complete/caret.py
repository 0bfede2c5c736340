"""What kind of place a caret is in, and how many lines belong there.

Read from the caret's line and from the tokens before it; the file's tree is not asked, since half-typed code has none
worth reading. Cost: the tokens of the prefix's end, which `midspan.syntax.scope` needs anyhow and which are kept.
"""

import re
from enum import StrEnum

from midspan.complete.draft import Draft, only_closes
from midspan.syntax.brackets import open_brackets, tokens_behind
from midspan.syntax.languages import Language
from midspan.syntax.scope import read_prefix

_VALUE = re.compile(r"(?:[^=!<>]=|:=|\b(?:return|yield|await|throw|raise))\s*\Z")
_OPENS_BLOCK = re.compile(r"(?:\{|=>|->|\b(?:do|then|else|begin))\s*\Z")


class CaretKind(StrEnum):
    """Places, by what surrounds the caret. Behind the caret is nothing but closers, save in `before code`."""

    BLANK_LINE = "blank line"
    BLOCK_START = "start of a block"
    VALUE = "value"
    ARGUMENTS = "arguments"
    STATEMENT = "statement"
    COMMENT = "comment"
    STRING = "string"
    BEFORE_CODE = "before code"


QUOTED = frozenset({CaretKind.STRING, CaretKind.COMMENT})
BEHIND = 1_000
"""Characters of the suffix in which a string or comment around the caret has to end to be seen."""
BLOCKS = frozenset({CaretKind.BLANK_LINE, CaretKind.BLOCK_START})
"""Where several lines are wanted."""


def caret_kind(prefix: str, suffix: str, language: Language | None) -> CaretKind:
    """The kind of the caret between `prefix` and `suffix`. Strings and comments need a grammar."""
    draft = Draft("", prefix, suffix)
    line = draft.line_before
    before = read_prefix(prefix, language)
    if language and (hidden := _hidden(before, suffix[:BEHIND].encode(), language)):
        return hidden
    if not only_closes(draft.line_behind):
        return CaretKind.BEFORE_CODE
    if not line.strip():
        return CaretKind.BLANK_LINE
    stack = open_brackets(before, language.name) if language else ()
    if _OPENS_BLOCK.search(line) or (line.rstrip().endswith(":") and not stack and language and language.indented):
        return CaretKind.BLOCK_START
    if _VALUE.search(line):
        return CaretKind.VALUE
    lists = "([{" if language and language.indented else "(["
    return CaretKind.ARGUMENTS if stack and stack[-1][1] in lists else CaretKind.STATEMENT


def _hidden(before: bytes, behind: bytes, language: Language) -> CaretKind | None:
    """String or comment, if the caret between `before` and `behind` is inside one that `behind` ends."""
    marks = [mark.encode() for mark in (language.line_comment, *(language.block_comment or ())[:1]) if mark]
    # With a letter at the caret, a comment that ends there is told from one that the caret is in.
    for start, end in tokens_behind(before, b"x" + behind, language).opaque:
        if start < len(before) < end:
            return CaretKind.COMMENT if before.startswith(tuple(marks), start) else CaretKind.STRING
    return None
