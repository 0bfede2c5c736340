"""Tags of HTML and JSX in half-typed text: which end tag closes an element that was opened before a caret.

Read by a pattern, not off a tree: a suffix that starts inside an element, or markup in code that does not parse yet,
has no tree worth reading. Only names are matched, so elements that are never closed (`<br>`, or `<T>` in TypeScript) do
no harm.
"""

import re
from typing import NamedTuple

_TAG = re.compile(rb"<(/?)([A-Za-z][\w.:-]*|(?=\s*>))(?:=>|[^<>])*?(/?)>")
_HALF_TAG = re.compile(rb"<[^<>]*\Z")


class EndTag(NamedTuple):
    """An end tag, bytes [start, end) of the text, and its name in lower case."""

    start: int
    end: int
    name: bytes


def unopened(text: bytes, start: int, own: list[bytes]) -> list[EndTag]:
    """The end tags behind `start` that close an element opened neither behind `start` nor in `own`.

    `own` are the names of open elements, outermost first; what is still open at the end of the text is left in it.
    """
    found = []
    for tag in _TAG.finditer(text, start):
        name = tag.group(2).lower()
        if not tag.group(1):
            if not tag.group(3):
                own.append(name)
        elif name in own:
            while own.pop() != name:  # what was never closed inside it
                pass
        else:
            found.append(EndTag(tag.start(), tag.end(), name))
    return found


def open_in_line(line: bytes, rest: bytes) -> list[bytes]:
    """Names of the elements that `line` leaves open at its end and `rest`, the rest of that line, does not close."""
    names: list[bytes] = []
    unopened(line, 0, names)
    for tag in unopened(rest, 0, []):
        if tag.name in names:
            names.remove(tag.name)
    return names


def half_tag(line: bytes) -> int:
    """How many bytes at the end of `line` are a tag still being written."""
    half = _HALF_TAG.search(line)
    return len(line) - half.start() if half else 0
