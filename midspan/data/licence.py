"""The licence of each file, with the evidence for it, and whether it is permissive.

Evidence, strongest first: (1) the file's own header: an `SPDX-License-Identifier`, or a notice of a licence that is not
permissive (the GNU family, Mozilla, Eclipse and the like, "proprietary and confidential"); (2) the licence texts in the
nearest directory up the project's tree that has any; (3) what the package declares: the SPDX expression, its licence
texts, the free-text name, the classifiers. Evidence that exists but is not understood makes the licence unknown, and an
unknown licence is not permissive; only a free-text name, which may be anything, gives way to the classifiers. Several
texts in one place are joined with AND: without a statement that one may choose, all of them hold.

Permissive means: on the Blue Oak Council's list at the configured tier or a better one. `blue_oak.json` holds the
identifiers of each tier of the npm package `@blueoak/list` 15.0.0 (https://blueoakcouncil.org/list), CC0-1.0.

Cost: a licence text is matched once per distinct content (about 2 ms); a header takes one regular-expression scan.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import re2
from license_expression import ExpressionError, get_spdx_licensing
from licenseclassifier import identify_license

from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import Declaration, LicenceText, Location, SourceProject

TIERS = ("model", "gold", "silver", "bronze", "lead")
HEADER_CHARS = 4_000
MAX_LICENCE_BYTES = 500_000

_SPDX = re2.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() \t]+)")
# "_" stands for white space, line breaks and the marks of comments.
_NOTICE = re2.compile(
    r"(?i)\bGNU_(?:(?:Lesser|Library|Affero)_)?(?:General_Public|[AL]?GPL)"
    r"|\bunder_(?:the_)?(?:terms_of_)?(?:the_)?[AL]?GPL|\blicen[cs]ed?:?_[AL]?GPL"
    r"|\b(?:Mozilla|Eclipse|Server_Side|European_Union)_Public_Licen[cs]e"
    r"|\bCommon_Development_and_Distribution_Licen[cs]e|\bCommons_Clause|\bBusiness_Source_Licen[cs]e"
    r"|\bElastic_Licen[cs]e|\bproprietary_and_confidential|\bconfidential_and_proprietary".replace("_", r"[\s#*/;%-]+")
)
_NOT_WORD = re2.compile(r"[^a-z0-9.]+")
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
}
"""Common names in package metadata, lower case, without noise words. "BSD" alone is read as the three-clause one."""
_LOOSE = frozenset({"apache", "bsd"})
"""Names that do not say which version is meant."""


@dataclass(frozen=True)
class Licence:
    """An SPDX expression ("" when unknown), where it was found, and how far to trust that, from 0 to 1.

    The confidence of a text is the share of it that the matched licences cover, that of a statement in SPDX's own words
    is 1; of other words in metadata `NAMED`, or `GUESSED` where they leave a choice. Of several, the lowest holds.
    """

    expression: str
    evidence: str
    confidence: float


NAMED = 0.9
GUESSED = 0.7
UNKNOWN = Licence("", "no licence found", 0.0)


@cache
def _licensing() -> Any:
    return get_spdx_licensing()


@cache
def normalise(expression: str) -> str:
    """The SPDX expression in canonical spelling, "" if it is empty or not valid."""
    try:
        parsed = _licensing().parse(expression.strip(), validate=True)
    except (ExpressionError, IndexError, AssertionError):  # the last two on malformed parentheses
        return ""
    return "" if parsed is None else str(parsed.render())


@cache
def permissive_ids(tier: str) -> frozenset[str]:
    """Identifiers on the Blue Oak list at `tier` and better."""
    tiers = json.loads(resources.files("midspan.data").joinpath("blue_oak.json").read_text(encoding="utf-8"))["tiers"]
    return frozenset(identifier for name in TIERS[: TIERS.index(tier) + 1] for identifier in tiers[name])


@cache
def is_permissive(expression: str, tier: str) -> bool:
    """Whether a licensee may act under permissive terms alone: OR needs one permissive side, AND all of them.

    An exception (WITH) only adds permissions, so the licence it modifies decides.
    """
    if not normalise(expression):
        return False
    return _holds(_licensing().parse(expression), permissive_ids(tier))


def _holds(node: Any, allowed: frozenset[str]) -> bool:
    licensing = _licensing()
    if isinstance(node, licensing.OR):
        return any(_holds(side, allowed) for side in node.args)
    if isinstance(node, licensing.AND):
        return all(_holds(side, allowed) for side in node.args)
    return getattr(node, "license_symbol", node).key in allowed


def header_licence(text: str) -> Licence | None:
    """The licence the first `HEADER_CHARS` characters of a file state, None if they state none."""
    head = text[:HEADER_CHARS]
    if "SPDX-" in head:
        stated = [match.group(1).strip(" \t-") for match in _SPDX.finditer(head)]
        if stated:
            return _found(join(stated), "SPDX header", 1.0)
    if _NOTICE.search(head):
        return Licence("", "notice of a licence that is not permissive in the header", 0.0)
    return None


def _found(expression: str, evidence: str, confidence: float) -> Licence:
    return Licence(expression, evidence, confidence if expression else 0.0)


def join(expressions: list[str]) -> str:
    """All the expressions together (AND), each once and in canonical form; "" if any of them is unknown."""
    known = sorted({normalise(expression) for expression in expressions})
    if not known or "" in known:
        return ""
    return normalise(" AND ".join(f"({expression})" for expression in known))


class Match(NamedTuple):
    """A licence text recognised: the SPDX expression of all licences in it, and the share of its words they cover."""

    expression: str
    share: float


NO_MATCH = Match("", 0.0)


@dataclass
class LicenceFinder:
    """Licences from licence files and metadata; texts are classified once per content."""

    _texts: dict[bytes, Match] = field(default_factory=dict)
    _read: dict[Location, Match] = field(default_factory=dict)

    def by_directory(self, project: SourceProject) -> dict[str, Licence]:
        """The licence that holds for each directory of `project` which has files, header lines aside."""
        self._read.clear()
        self._classify([*project.declared.files, *(text for each in project.licence_files.values() for text in each)])
        declared = self.declared(project.declared)
        found: dict[str, Licence] = {}
        for file in project.files:
            directory = file.path.rpartition("/")[0]
            if directory not in found:
                found[directory] = self._nearest(project, directory) or declared
        return found

    def _nearest(self, project: SourceProject, directory: str) -> Licence | None:
        while True:
            if directory in project.licence_files:
                texts = project.licence_files[directory]
                names = ", ".join(f"{directory}/{text.name}" if directory else text.name for text in texts)
                return self._of_texts(texts, f"licence file {names}")
            if not directory:
                return None
            directory = directory.rpartition("/")[0]

    def _of_texts(self, texts: Sequence[LicenceText], evidence: str) -> Licence:
        matches = [self.classify(text) for text in texts]
        return _found(join([match.expression for match in matches]), evidence, min(match.share for match in matches))

    def declared(self, declaration: Declaration) -> Licence:
        """The licence that package metadata declares."""
        if declaration.expression:
            evidence = declaration.origin or "package metadata License-Expression"
            return _found(normalise(declaration.expression), evidence, 1.0)
        if declaration.files:
            names = ", ".join(text.name for text in declaration.files)
            return self._of_texts(declaration.files, f"package licence file {names}")
        evidence = declaration.origin or "package metadata License"
        if stated := normalise(declaration.name):
            return Licence(stated, evidence, NAMED)
        name = _plain(declaration.name)
        if name in _NAMES:
            return Licence(_NAMES[name], evidence, GUESSED if name in _LOOSE else NAMED)
        plain = [_plain(classifier.rpartition("::")[2]) for classifier in declaration.classifiers]
        classified = join([_NAMES.get(name, "") for name in plain if name and name != "dfsg"])
        return Licence(classified, "package classifier", GUESSED) if classified else UNKNOWN

    def classify(self, text: LicenceText) -> Match:
        """What a licence text is; `NO_MATCH` if it is not recognised, too long or cannot be read."""
        if text.location not in self._read:
            self._classify([text])
        return self._read[text.location]

    def _classify(self, texts: Sequence[LicenceText]) -> None:
        wanted = [(text.location, MAX_LICENCE_BYTES) for text in texts]
        for (location, _), content in zip(wanted, read_contents(wanted), strict=True):
            self._read[location] = self._identify(content) if isinstance(content, bytes) else NO_MATCH

    def _identify(self, content: bytes) -> Match:
        key = hashlib.sha256(content).digest()
        if key not in self._texts:
            text = content.decode("utf-8", errors="replace")
            regions = identify_license(text)
            covered = sum(len(text[region.start : region.end].split()) for region in regions)
            share = round(covered / max(1, len(text.split())), 4)
            self._texts[key] = Match(join([region.id for region in regions]), share)
        return self._texts[key]


def _plain(name: str) -> str:
    words = _NOT_WORD.sub(" ", name.lower()).split()
    return " ".join(word for word in words if word not in _NOISE)
