"""Drawing cases, that is a caret in a file with the text that stood there, from the projects of one corpus split.

How the draw goes: every project yields a few candidates (files in the order of a keyed hash, each cut by
`fim.syntax_split` at a caret of a given kind, the four kinds in turn); then projects take turns, and each gives the
candidate whose (language, kind) is furthest behind its share. Kinds have equal shares; a language's share is the
square root of its number of files, so that small languages are measured at all and large ones still dominate.
The middle always ends with a line, statement or block, never inside one: only such an ending can be told from a wrong
one.
Cost: one parse per candidate and about three candidates per case; the corpus is read twice, one project at a time.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from midspan.context.project import File, Project
from midspan.data.corpus import TEXT, Document
from midspan.fim.split import Split, document_rng
from midspan.fim.syntax import syntax_split
from midspan.recipe.schema import CutWeights, FimConfig
from midspan.syntax.cuts import CutKind
from midspan.syntax.languages import LANGUAGES

KINDS = tuple(CutKind)
ENDS = CutWeights(block_boundary=1, line_start=2, line_middle=0, token_middle=0)
"""Middles end with their block, or with a line or a run of statements; the latter is what is asked for more often."""
CANDIDATES_PER_CASE = 3

Projects = Callable[[], Iterable[tuple[str, Sequence[Document]]]]


@dataclass(frozen=True)
class Case:
    """A caret in a file: `prefix + middle + suffix` is the file, `unit` what the middle is.

    `kind` is the caret's kind: a `CutKind` in cases of a run, a `Place` in those of a built benchmark.
    """

    id: str
    project: str
    path: str
    language: str
    prefix: str
    middle: str
    suffix: str
    kind: str
    unit: str
    licence: str
    source: str
    revision: str = ""


def draw_cases(projects: Projects, count: int, fim: FimConfig, seed: int) -> list[Case]:
    """Up to `count` cases, fewer if the projects do not hold as many; the same for the same arguments.

    `projects()` is called twice and must yield the same (name, documents) each time. No two cases have the same
    middle (whitespace aside), and no middle is without a letter or a digit. Natural language gives no cases.
    """
    files: Counter[str] = Counter()
    names: list[str] = []
    for name, documents in _code(projects):
        names.append(name)
        files.update(document.language for document in documents)
    chosen = set(sorted(names, key=lambda name: _order(seed, name))[:count])
    per_project = CANDIDATES_PER_CASE * math.ceil(count / max(1, len(chosen)))
    candidates: dict[str, list[Case]] = {}
    seen: set[str] = set()
    for name, documents in _code(projects):
        if name in chosen:
            candidates[name] = _candidates(documents, per_project, fim, seed, seen)
    turns = [candidates[name] for name in sorted(chosen, key=lambda name: _order(seed, name))]
    return sorted(_take_turns(turns, count, files), key=lambda case: (case.project, case.path, case.id))


def _code(projects: Projects) -> Iterator[tuple[str, list[Document]]]:
    for name, documents in projects():
        if code := [document for document in documents if document.language != TEXT]:
            yield name, code


def with_projects(cases: Iterable[Case], projects: Projects) -> Iterator[tuple[str, tuple[Case, Project]]]:
    """(case id, (case, its project)) project by project, so that only those in work are in memory."""
    wanted: dict[str, list[Case]] = {}
    for case in cases:
        wanted.setdefault(case.project, []).append(case)
    for name, documents in projects():
        if name in wanted:
            project = Project.of(name, [File(document.path, document.text) for document in documents])
            for case in wanted[name]:
                yield case.id, (case, project)


def _candidates(documents: Sequence[Document], limit: int, fim: FimConfig, seed: int, seen: set[str]) -> list[Case]:
    """Cut up to `limit` cases; a file is cut again, at another kind of caret, only after all others were."""
    ordered = sorted(documents, key=lambda document: _order(seed, document.path + document.sha256))
    cases: list[Case] = []
    for turn in range(len(KINDS)):
        for position, document in enumerate(ordered):
            if len(cases) == limit:
                return cases
            case = cut_case(document, KINDS[(position + turn) % len(KINDS)], fim, seed)
            if case is None:
                continue
            middle = " ".join(case.middle.split())
            if middle not in seen:
                seen.add(middle)
                cases.append(case)
    return cases


def cut_case(document: Document, kind: str, fim: FimConfig, seed: int) -> Case | None:
    """Cut one case with a caret of `kind`; None if the file has no such place or the middle would be trivial."""
    start = CutWeights(**{name: float(name == kind) for name in KINDS})
    rng = document_rng(seed, 0, f"{kind}:{document.path}:{document.sha256}")
    split = syntax_split(
        document.text, LANGUAGES.get(document.language), rng, fim.model_copy(update={"start": start, "end": ENDS})
    )
    if split is None or split.start_kind != kind or not any(character.isalnum() for character in split.middle):
        return None
    return case_of(document, split)


def case_of(document: Document, split: Split) -> Case:
    """The case that a cut of a document makes. Its id is a function of the document and of where it is cut."""
    identity = f"{document.project}\n{document.path}\n{document.sha256}\n{len(split.prefix)}\n{len(split.middle)}"
    return Case(
        id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        project=document.project,
        path=document.path,
        language=document.language,
        prefix=split.prefix,
        middle=split.middle,
        suffix=split.suffix,
        kind=split.start_kind,
        unit=split.unit,
        licence=document.licence,
        source=document.source,
        revision=document.revision,
    )


def _take_turns(projects: Iterable[list[Case]], count: int, files: Counter[str]) -> Iterator[Case]:
    pools = [list(pool) for pool in projects if pool]
    taken: Counter[tuple[str, str]] = Counter()

    def behind(case: Case) -> float:
        return (taken[case.language, case.kind] + 1) / math.sqrt(files[case.language])

    while pools and count:
        for pool in pools[:count]:
            case = min(pool, key=behind)
            pool.remove(case)
            taken[case.language, case.kind] += 1
            count -= 1
            yield case
        pools = [pool for pool in pools if pool]


def _order(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
