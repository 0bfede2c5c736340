"""Private keys: PEM (RSA, EC, OpenSSH, encrypted), PGP and PuTTY, over many lines or escaped in one literal.

Only the key's own characters are replaced, line by line, so that line breaks, quotes and escapes stay where they are.
"""

import re
from collections.abc import Iterator

from midspan.data.redact.finding import Finding

LONGEST = 32_768
"""Bytes of one key; where the end is missing, what looks like a key up to here goes."""

_BEGIN = re.compile(rb"-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}|Private-Lines: [0-9]{1,3}")
_END = re.compile(rb"-{4,5} ?END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}|Private-MAC: ")
_BREAK = re.compile(rb"\r?\n|\\+[rn]|<br ?/?>|&#(?:10|xA);")
_HEADER = re.compile(rb"[A-Z][A-Za-z-]{2,30}: ")
_BODY = re.compile(rb"[A-Za-z0-9][A-Za-z0-9+/_-]{15,}={0,2}")
_SHORT = re.compile(rb"[^A-Za-z0-9=\\]*([A-Za-z0-9][A-Za-z0-9+/]{0,14}={0,2}|=[A-Za-z0-9+/]{4})[^A-Za-z0-9=]*")
_WORD = re.compile(rb"[a-z]+|[A-Z][a-z]+")


def find(data: bytes) -> Iterator[Finding]:
    """The characters of private keys."""
    if b"PRIVATE KEY" not in data and b"Private-Lines" not in data:
        return
    for begin in _BEGIN.finditer(data):
        end = _END.search(data, begin.end(), begin.end() + LONGEST)
        yield from _body(data, begin.end(), end.start() if end else begin.end() + LONGEST, whole=end is not None)


def _body(data: bytes, start: int, stop: int, whole: bool) -> Iterator[Finding]:
    position, seen = start, False
    while position < min(stop, len(data)):
        broken = _BREAK.search(data, position, stop)
        line_end = broken.start() if broken else min(stop, len(data))
        line = data[position:line_end]
        found = False
        if not _HEADER.search(line) or len(line) > 100:
            for body in _BODY.finditer(line):
                found = seen = True
                yield Finding(position + body.start(), position + body.end(), "private_key")
            short = _SHORT.fullmatch(line) if seen and not found else None
            if short and not _WORD.fullmatch(short.group(1)):
                found = True
                yield Finding(position + short.start(1), position + short.end(1), "private_key")
        if not whole and seen and not found and line.strip():
            return
        position = broken.end() if broken else line_end
