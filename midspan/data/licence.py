"""The licence of each file, with the evidence for it.

Evidence, strongest first: (1) the file's own header: an `SPDX-License-Identifier`, or a notice of a licence that is not
permissive (the GNU family, Mozilla, Eclipse and the like, "proprietary and confidential"); (2) the licence texts in the
nearest directory up the project's tree that has any; (3) what the package declares: the SPDX expression, its licence
texts, the free-text name, the classifiers. Evidence that exists but is not understood makes the licence unknown, and an
unknown licence is not permissive; only a free-text name, which may be anything, gives way to the classifiers.

Several texts in one place are joined with AND: without a statement that one may choose, all of them hold. Such a
statement is a text beside them that names them ("either of LICENSE.APACHE or LICENSE.MIT"), or the package's metadata
where it names the same licences.

Cost: a licence text is matched once per distinct content (about 2 ms); a header takes one regular-expression scan.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import re2

from midspan.data.filters.rules import Refusal
from midspan.data.licence_text import NO_MATCH, Match, chosen, classified, identify, named
from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import Declaration, LicenceText, Location, SourceProject
from midspan.data.spdx import identifiers, is_permissive, join, normalise
from midspan.recipe.schema import DataConfig

HEADER_CHARS = 4_000
MAX_LICENCE_BYTES = 500_000
POINTER_BYTES = 2_000
"""A text that only points at others is no longer."""

_SPDX = re2.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() \t]+)")
# "_" stands for white space, line breaks and the marks of comments.
_NOTICE = re2.compile(
    r"(?i)\bGNU_(?:(?:Lesser|Library|Affero)_)?(?:General_Public|[AL]?GPL)"
    r"|\bunder_(?:the_)?(?:terms_of_)?(?:the_)?[AL]?GPL|\blicen[cs]ed?:?_[AL]?GPL"
    r"|\b(?:Mozilla|Eclipse|Server_Side|European_Union)_Public_Licen[cs]e"
    r"|\bCommon_Development_and_Distribution_Licen[cs]e|\bCommons_Clause|\bBusiness_Source_Licen[cs]e"
    r"|\bElastic_Licen[cs]e|\bproprietary_and_confidential|\bconfidential_and_proprietary".replace("_", r"[\s#*/;%-]+")
)


@dataclass(frozen=True)
class Licence:
    """An SPDX expression ("" when unknown), where it was found, and how far to trust that, from 0 to 1.

    A statement in SPDX's own words is certain; `licence_text` says how texts and names are weighed. Of several, the
    lowest confidence holds.
    """

    expression: str
    evidence: str
    confidence: float


KINDS = ("", "OSI Approved", "DFSG approved", "Freely Distributable", "Free For Home Use")
"""Classifiers that name no licence."""
UNKNOWN = Licence("", "no licence found", 0.0)


def licence_refusal(licence: Licence, config: DataConfig) -> Refusal | None:
    """Why a file under this licence may not be in the corpus, None if it may."""
    if not is_permissive(licence.expression, config.licence_tier):
        return Refusal("licence_not_permissive" if licence.expression else "licence_unknown", licence.evidence)
    if licence.confidence < config.min_licence_confidence:
        limit = config.min_licence_confidence
        return Refusal("licence_uncertain", f"{licence.evidence}: confidence {licence.confidence} < {limit}")
    return None


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


@dataclass
class LicenceFinder:
    """Licences from licence files and metadata; texts are classified once per content."""

    _texts: dict[bytes, Match] = field(default_factory=dict)
    _read: dict[Location, Match] = field(default_factory=dict)
    _pointers: dict[Location, str] = field(default_factory=dict)

    def by_directory(self, project: SourceProject) -> dict[str, Licence]:
        """The licence that holds for each directory of `project` which has files, header lines aside."""
        self._read.clear()
        self._pointers.clear()
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
                return self._of_texts(texts, f"licence file {names}", project.declared)
            if not directory:
                return None
            directory = directory.rpartition("/")[0]

    def _of_texts(self, texts: Sequence[LicenceText], evidence: str, declaration: Declaration) -> Licence:
        together = self.together(texts)
        stated = normalise(declaration.expression or declaration.name)
        if stated != together.expression and identifiers(stated) == identifiers(together.expression):
            return _found(stated, f"{evidence}, chosen as the metadata says", together.share)
        return _found(together.expression, evidence, together.share)

    def together(self, texts: Sequence[LicenceText]) -> Match:
        """What licence texts in one place say together."""
        matches = {text.name: self.classify(text) for text in texts}
        for text in texts:
            if text.location in self._pointers:
                choice = chosen(self._pointers[text.location], matches)
                if choice.expression:
                    return choice
        return Match(
            join(match.expression for match in matches.values()), min(match.share for match in matches.values())
        )

    def declared(self, declaration: Declaration) -> Licence:
        """The licence that package metadata declares."""
        if declaration.files and not declaration.expression:
            names = ", ".join(text.name for text in declaration.files)
            return self._of_texts(declaration.files, f"package licence file {names}", declaration)
        return stated(declaration)

    def classify(self, text: LicenceText) -> Match:
        """What a licence text is; `NO_MATCH` if it is not recognised, too long or cannot be read."""
        if text.location not in self._read:
            self._classify([text])
        return self._read[text.location]

    def _classify(self, texts: Sequence[LicenceText]) -> None:
        wanted = [(text.location, MAX_LICENCE_BYTES) for text in texts]
        for (location, _), content in zip(wanted, read_contents(wanted), strict=True):
            self._read[location] = NO_MATCH
            if isinstance(content, bytes):
                self._read[location] = self._identify(content)
                if len(content) <= POINTER_BYTES and not self._read[location].expression:
                    self._pointers[location] = content.decode("utf-8", errors="replace")

    def _identify(self, content: bytes) -> Match:
        key = hashlib.sha256(content).digest()
        if key not in self._texts:
            self._texts[key] = identify(content.decode("utf-8", errors="replace"))
        return self._texts[key]


def stated(declaration: Declaration) -> Licence:
    """What package metadata says in words, its licence texts aside."""
    if declaration.expression:
        return _found(
            normalise(declaration.expression), declaration.origin or "package metadata License-Expression", 1.0
        )
    by_name = named(declaration.name)
    if by_name.expression:
        return Licence(by_name.expression, declaration.origin or "package metadata License", by_name.share)
    names = (classifier.rpartition("::")[2].strip() for classifier in declaration.classifiers)
    matches = [classified(name) for name in names if name not in KINDS]
    together = join(match.expression for match in matches)
    return _found(together, "package classifier", min(match.share for match in matches)) if together else UNKNOWN
