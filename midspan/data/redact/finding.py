"""What the rules of every kind share: a finding, patterns over bytes, and how random a value looks.

Rules work on UTF-8 bytes: one scan with RE2 tells in linear time where something might be, and `re` takes such a place
apart.
"""

import math
from collections import Counter
from typing import NamedTuple

import re2

PLACEHOLDER = "REDACTED_"
MARK = PLACEHOLDER.encode()


class Finding(NamedTuple):
    """Bytes `start` to `end` are to be replaced."""

    start: int
    end: int
    kind: str


def scanner(pattern: str) -> "re2._Regexp":
    """A pattern for the scan over whole files: bytes as Latin-1, no groups, since RE2 finds those only slowly."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.max_mem = 64 << 20
    return re2.compile(pattern.encode("latin-1"), options)


def words(text: str) -> frozenset[bytes]:
    """The words of a string, as a set to look in."""
    return frozenset(text.encode().split())


def entropy(value: bytes) -> float:
    """Shannon entropy of the bytes, in bits per byte."""
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())


def borders(data: bytes, start: int, end: int) -> bool:
    """Whether a value begins and ends where a word does; the letter of an escape such as `\\n` belongs to no word."""
    if end < len(data) and (data[end : end + 1].isalnum() or data[end : end + 1] == b"_"):
        return False
    before = data[start - 1 : start] if start else b""
    if not (before.isalnum() or before == b"_"):
        return True
    return before in (b"n", b"r", b"t") and data[start - 2 : start - 1] == b"\\"
