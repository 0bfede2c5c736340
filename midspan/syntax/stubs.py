"""Stubs: text that leaves the work undone, by its words or by a body that does nothing."""

import re

# Words by which code says that somebody else has to write it.
PLACEHOLDER = re.compile(
    r"NotImplemented(?:Error|Exception)\b|UnsupportedOperationException"
    r"|\b(?:todo|unimplemented)!\s*\(|\bTODO\s*\("
    r"|(?:#|//|/\*|--|<!--|\*)\s*(?:TODO|FIXME|XXX)\b"
    r"|\b(?:your code here|implement me|not implemented)\b",
    re.IGNORECASE,
)
_EMPTY_BODY = re.compile(r"\s*(?:pass|\.\.\.)\s*")
_FUNCTION_HEAD = re.compile(r"\s*(?:async\s+)?def\b.*:\s*$|.*\)\s*(?:->.*)?:\s*$")
_HEADS_AND_BODIES = re.compile(
    r"^[ \t]*(?:async[ \t]+)?def\b[^\n]*:[ \t]*\r?\n?[ \t]*(pass\b|\.\.\.|raise NotImplemented)?", re.MULTILINE
)


def is_stub(prefix: str, text: str) -> bool:
    """Whether `text` leaves the work undone: a placeholder word, or a function's body that is only `pass` or `...`."""
    return PLACEHOLDER.search(text) is not None or is_empty_body(prefix, text)


def is_empty_body(prefix: str, text: str) -> bool:
    """Whether `text` makes a function of Python, whose head ends `prefix`, one that does nothing."""
    if not _EMPTY_BODY.fullmatch(text):
        return False
    heads = [line for line in prefix.splitlines() if line.strip()]
    return bool(heads and _FUNCTION_HEAD.match(heads[-1]))


def is_full_of_stubs(text: str) -> bool:
    """Whether at least half of the Python functions in `text` do nothing, as in a protocol or a file of types."""
    bodies = [match.group(1) for match in _HEADS_AND_BODIES.finditer(text)]
    return 0 < len(bodies) <= 2 * sum(1 for body in bodies if body)
