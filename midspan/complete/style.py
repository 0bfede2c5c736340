"""How a document breaks and indents its lines, and text rewritten in that style."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

NEAR = 8_192
"""Characters before and behind the caret that are looked at."""
STEP = 1_024
"""Characters typed until what is looked at begins elsewhere: meanwhile it is looked at once for each line."""
DEFAULT_WIDTH = 4

_BREAK = re.compile(r"\r\n|\r|\n")
_INDENTED = re.compile(r"(?:^|[\r\n])([ \t]*)(?=[^\s*])")
_NESTED = re.compile(r"^([ \t]*)\S[^\r\n]*[:{]\s*(?:\r\n|\r|\n)([ \t]+)(?=\S)", re.MULTILINE)


@dataclass(frozen=True)
class Style:
    """`newline` of most lines; `tabs`: most indented lines begin with one; `width`: columns of a level, 0 unknown."""

    newline: str
    tabs: bool | None
    width: int


def style_of(prefix: str, suffix: str) -> Style:
    """The style around the caret; `tabs` is None where no line is indented, lines break with LF where none does.

    The caret's own line, which may be anything yet, is not looked at unless there is no other before it.
    """
    start = max(0, (len(prefix) - NEAR) // STEP * STEP)
    above = max(prefix.rfind("\n"), prefix.rfind("\r")) + 1
    return _style(prefix[start : above if above > start else len(prefix)], suffix[:NEAR])


@lru_cache(maxsize=64)
def _style(above: str, behind: str) -> Style:
    text = above + behind
    breaks = Counter(_BREAK.findall(text))
    newline = max(("\n", "\r\n", "\r"), key=lambda each: breaks[each])
    indents = [indent for indent in _INDENTED.findall(text) if indent]
    tabs = 2 * sum(indent[0] == "\t" for indent in indents) >= len(indents) if indents else None
    return Style(newline, tabs, _width(text))


def restyled(text: str, line_before: str, style: Style) -> str:
    """`text`, which begins behind `line_before`, with the document's line breaks and indentation.

    Levels are rewritten only where it is plain what the text's own level is: a tab, or the columns by which it indents
    the line below one that opens a block. Within a line nothing changes.
    """
    parts = _BREAK.split(text)
    indent = line_before[: len(line_before) - len(line_before.lstrip(" \t"))]
    own = _width(line_before + text if not line_before.strip() else text)
    lines = [_reindented(line, indent, own, style) for line in parts[1:]]
    return style.newline.join([parts[0], *lines])


def _width(text: str) -> int:
    """Columns by which most lines are indented below a line that opens a block; 0 if there are none, or tabs."""
    steps = Counter(
        len(inner) - len(outer)
        for outer, inner in _NESTED.findall(text)
        if "\t" not in outer + inner and len(inner) > len(outer)
    )
    return max(steps, key=lambda step: (steps[step], -step)) if steps else 0


def _reindented(line: str, indent: str, own: int, style: Style) -> str:
    """`line` with its indentation in the document's style; `indent` is that of the caret's line, `own` the text's."""
    code = line.lstrip(" \t")
    written = line[: len(line) - len(code)]
    if not code or style.tabs is None:
        return line
    if style.tabs:
        if not written or "\t" in written:
            return line
        width = own or DEFAULT_WIDTH
        return "\t" * (len(written) // width) + " " * (len(written) % width) + code
    width = style.width or DEFAULT_WIDTH
    if "\t" in written:
        return written.replace("\t", " " * width) + code
    deeper = len(written) - len(indent)
    if not own or not style.width or own == style.width or "\t" in indent or deeper <= 0 or deeper % own:
        return line
    return indent + " " * (deeper // own * style.width) + code
