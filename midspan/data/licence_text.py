"""What licence a text or a name is.

A text is matched against the SPDX licence texts (`licenseclassifier`); what lies outside the matches decides how much
the result can be trusted, and whether one may choose among several licences: without words to that effect all hold.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from licenseclassifier import identify_license

from midspan.data.spdx import join, normalise

LEAST_SHARE = 0.4
"""A text of which less is a licence only mentions it."""
NAMED = 0.9
GUESSED = 0.75
"""How far to trust a licence's name in other words than SPDX's, and one that leaves the version open."""
NAME_WORDS = 12
"""A text of no more words can only be the name of a licence."""
MOST_CHOICES = 3
LEAD_WORDS = 300
"""One may choose among so few licences, and the text says so in so many words before the first of them."""

_CHOICE = re.compile(
    r"\bdual[- ]licen[cs]ed?\b|\bat your (?:option|choice)\b(?!\W+any later)|\byou may choose\b"
    r"|\b(?:under|of|use)\s+(?:the\s+)?(?:terms\s+of\s+)?\W?either\b|\beither\W+(?:of\s+)?the\s+(?:following|licen[cs]es)",
    re.IGNORECASE,
)
_CREDIT = re.compile(r"^.*(?:copyright|\(c\)|©|all rights reserved).*$", re.IGNORECASE | re.MULTILINE)
_NOT_WORD = re.compile(r"[^a-z0-9.]+")
_NOISE = frozenset({"the", "license", "licence", "version", "software", "osi", "approved"})

_NAMES = {
    "0bsd": "0BSD",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "asl 2.0": "Apache-2.0",
    "blue oak model blueoak 1.0.0": "BlueOak-1.0.0",
    "boost 1.0 bsl 1.0": "BSL-1.0",
    "bsd": "BSD-3-Clause",
    "bsd 2 clause": "BSD-2-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "cc0 1.0 universal cc0 1.0 public domain dedication": "CC0-1.0",
    "isc": "ISC",
    "isc iscl": "ISC",
    "mit": "MIT",
    "mit no attribution mit 0": "MIT-0",
    "modified bsd": "BSD-3-Clause",
    "mozilla public 2.0 mpl 2.0": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "psf": "PSF-2.0",
    "python foundation": "PSF-2.0",
    "simplified bsd": "BSD-2-Clause",
    "unlicense": "Unlicense",
    "unlicense unlicense": "Unlicense",
    "zlib libpng": "Zlib",
    "zpl 2.1": "ZPL-2.1",
}
"""Common names in package metadata, lower case, without noise words. "BSD" alone is read as the three-clause one."""
_LOOSE = frozenset({"apache", "bsd"})
"""Names that do not say which version is meant."""


class Match(NamedTuple):
    """What a text is: an SPDX expression ("" if unknown), and how far to trust it, from 0 to 1.

    That is the share of its words that belong to the licences in it, lines of credits aside.
    """

    expression: str
    share: float


NO_MATCH = Match("", 0.0)


def named(name: str) -> Match:
    """The licence that goes by a name, in SPDX's words or in common ones."""
    if stated := normalise(name):
        return Match(stated, NAMED)
    plain = _plain(name)
    return Match(_NAMES[plain], GUESSED if plain in _LOOSE else NAMED) if plain in _NAMES else NO_MATCH


def classified(name: str) -> Match:
    """The licence that a classifier of package metadata names; `NO_MATCH` if it names a kind of licences only."""
    return Match(named(name).expression, GUESSED) if named(name).expression else NO_MATCH


def identify(text: str) -> Match:
    """The licences in a text: all of them together, or one of them where its first words leave the choice."""
    if len(text.split()) <= NAME_WORDS:
        return named(text)
    regions = identify_license(text, coverage_threshold=0.0)
    rest: list[str] = []
    end = 0
    for region in regions:
        rest.append(text[end : region.start])
        end = max(end, region.end)
    rest.append(text[end:])
    around = "\n".join(rest)
    others = len(_CREDIT.sub("", around).split())
    words = len(text.split()) - len(around.split())
    share = round(words / (words + others), 4) if words else 0.0
    if share < LEAST_SHARE:
        return NO_MATCH
    licences = {region.id for region in regions}
    lead = rest[0]
    choice = len(licences) <= MOST_CHOICES and len(lead.split()) <= LEAD_WORDS and _CHOICE.search(lead)
    return Match(join(licences, "OR" if choice else "AND"), share)


def chosen(pointer: str, siblings: Mapping[str, Match]) -> Match:
    """What a text says that has no licence in it but leaves the choice among files beside it, given by their names."""
    if not _CHOICE.search(pointer):
        return NO_MATCH
    matches = [
        match for name, match in siblings.items() if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", pointer)
    ]
    if len(matches) < 2:
        return NO_MATCH
    return Match(join((match.expression for match in matches), "OR"), min(match.share for match in matches))


def _plain(name: str) -> str:
    words = _NOT_WORD.sub(" ", name.lower()).split()
    return " ".join(word for word in words if word not in _NOISE)
