"""Personal data and secrets, replaced by typed placeholders; the same value gets the same placeholder within a file.

Kinds (BigCode's, arXiv 2305.06161, section 4, and phone numbers): private keys (`keys`), tokens of known shape
(`tokens`), passwords and keys by their place (`literals`), e-mail and IP addresses (`addresses`), phone numbers and
names of people (`contacts`). A placeholder is a plain identifier (`REDACTED_EMAIL_1`), so that code, markup and data
formats still parse wherever it lands; line breaks, quotes and escapes stay as they are.

A secret that was found in one place goes from every other place of the file as well. Rounds of finding and replacing go
on until nothing is found, so that redacting twice changes nothing.

Cost: five RE2 scans decide whether a place deserves a look; about 100 MB/s on one core for code without findings.
"""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from midspan.data.redact import addresses, contacts, keys, literals, tokens
from midspan.data.redact.finding import MARK, PLACEHOLDER, Finding, borders

__all__ = ["PLACEHOLDER", "Redacted", "redact"]

RULES = (keys.find, tokens.find, literals.find, addresses.find, contacts.find)
"""In order of precedence: of findings that overlap the first rule's holds."""
SPREAD = 8
"""Characters that a secret needs for its other occurrences in the file to be the same thing."""

_NUMBERED = re.compile(rb"REDACTED_([A-Z_]+)_([0-9]+)")


class Redacted(NamedTuple):
    """A text without secrets and personal data, and how many replacements of each kind it took."""

    text: str
    counts: dict[str, int]


def redact(text: str) -> Redacted:
    """The text without personal data and secrets, and the number of replacements by kind.

    The number of lines stays, and redacting twice changes nothing more. Kinds: `private_key`, `token`, `password`,
    `email`, `ip_address`, `phone`, `name`.
    """
    data = text.encode("utf-8", "surrogatepass")
    found = _findings(data)
    if not found:
        return Redacted(text, {})
    numbers = _Numbers(data)
    counts: Counter[str] = Counter()
    while found:
        pieces, position = [], 0
        for start, end, kind in found:
            pieces += [data[position:start], numbers.placeholder(kind, data[start:end])]
            position = end
            counts[kind] += 1
        data = b"".join([*pieces, data[position:]])
        found = _findings(data)
    return Redacted(data.decode("utf-8", "surrogatepass"), dict(counts))


class _Numbers:
    """The placeholders of one file; those that stand in it already keep their numbers."""

    def __init__(self, data: bytes) -> None:
        self._last: Counter[bytes] = Counter()
        self._known: dict[tuple[str, bytes], bytes] = {}
        for kind, number in _NUMBERED.findall(data):
            self._last[kind] = max(self._last[kind], int(number))

    def placeholder(self, kind: str, value: bytes) -> bytes:
        if (kind, value) not in self._known:
            name = kind.upper().encode()
            self._last[name] += 1
            self._known[kind, value] = b"%b%b_%d" % (MARK, name, self._last[name])
        return self._known[kind, value]


def _findings(data: bytes) -> list[Finding]:
    """What is to be replaced, in order and without overlaps."""
    chosen: list[Finding] = []
    for rule in RULES:
        for finding in rule(data):
            if MARK not in data[finding.start : finding.end]:
                _insert(chosen, finding)
    for finding in list(chosen):
        for other in _elsewhere(data, finding):
            _insert(chosen, other)
    return chosen


def _insert(chosen: list[Finding], finding: Finding) -> None:
    place = bisect(chosen, finding)
    before_ends = chosen[place - 1].end if place else 0
    next_starts = chosen[place].start if place < len(chosen) else finding.end
    if before_ends <= finding.start < finding.end <= next_starts:
        chosen.insert(place, finding)


def _elsewhere(data: bytes, finding: Finding) -> Iterator[Finding]:
    value = data[finding.start : finding.end]
    if finding.kind not in ("token", "password", "name") or len(value) < SPREAD or value.isalpha():
        return
    position = data.find(value)
    while position >= 0:
        if borders(data, position, position + len(value)):
            yield Finding(position, position + len(value), finding.kind)
        position = data.find(value, position + len(value))
