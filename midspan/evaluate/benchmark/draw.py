"""Drawing the cases of a benchmark, stratified: as many of each language and kind of caret as there are, up to a limit.

Of each project and language up to `FILES` files, in the order of keyed hashes, are cut at every kind of place (see
`fim.places`). Cuts that are trivial leave, and so do duplicates, which have
the same middle and the same lines around it as another. Of what is left each stratum takes its cases: projects take
turns, in the order of keyed hashes, and give one of their cuts each time, within the limits per project and per file,
none overlapping another middle. Scarce strata choose first. Cost: a parse and two queries per file.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from midspan.data.cases import Case, case_of
from midspan.data.corpus import Document
from midspan.evaluate.benchmark.trivial import why_trivial
from midspan.fim.places import Place, place_splits
from midspan.fim.split import Split, document_rng
from midspan.recipe.benchmark import BenchmarkRecipe
from midspan.syntax.languages import LANGUAGES

FILES = 150
CUTS_PER_PLACE = 2
"""Cuts of one file at each kind of place."""
LINES_BEFORE, LINES_AFTER = 3, 1
"""Lines around a middle that make, with it, a duplicate."""


class Stratum(NamedTuple):
    """A language and a kind of caret."""

    language: str
    place: Place


@dataclass(frozen=True)
class Cut:
    """A candidate: characters `start` to `end` of a document. Its texts are cut out when it is taken."""

    order: str
    document: Document
    place: Place
    start: int
    end: int
    unit: str

    def case(self) -> Case:
        """The case that it makes."""
        text = self.document.text
        split = Split(
            text[: self.start], text[self.start : self.end], text[self.end :], self.place, self.place, self.unit
        )
        return case_of(self.document, split)


def draw_benchmark(documents: Iterable[Document], recipe: BenchmarkRecipe, removed: Counter[str]) -> list[Case]:
    """The cases of these documents, the same for the same documents in any order; removals are counted."""
    pools: dict[Stratum, dict[str, list[Cut]]] = defaultdict(lambda: defaultdict(list))
    seen: set[bytes] = set()
    files: Counter[tuple[str, str]] = Counter()
    for document in sorted(documents, key=lambda document: _order(recipe.seed, document)):
        files[document.project, document.language] += 1
        if files[document.project, document.language] > FILES:
            continue
        for cut in _cuts(document, recipe, seen, removed):
            pools[Stratum(document.language, cut.place)][document.project].append(cut)
    takes = _Takes(recipe, removed)
    for stratum in sorted(pools, key=lambda each: (sum(map(len, pools[each].values())), each)):
        takes.take(pools[stratum])
    return [cut.case() for cut in takes.taken]


def _cuts(document: Document, recipe: BenchmarkRecipe, seen: set[bytes], removed: Counter[str]) -> Iterator[Cut]:
    language = LANGUAGES.get(document.language)
    if language is None:
        return
    rng = document_rng(recipe.seed, 0, f"{document.project}\0{document.path}\0{document.sha256}")
    for place, split in place_splits(document.text, language, rng, CUTS_PER_PLACE, recipe.max_middle_chars):
        if reason := why_trivial(split, language):
            removed[reason] += 1
            continue
        near = _near(split)
        if near in seen:
            removed["duplicate"] += 1
            continue
        seen.add(near)
        start = len(split.prefix)
        yield Cut(
            _order(recipe.seed, document, place, start), document, place, start, start + len(split.middle), split.unit
        )


def _order(seed: int, document: Document, *place: object) -> str:
    """A key that sorts documents, or places in them, at random but always alike."""
    identity = "\0".join(map(str, (seed, document.project, document.path, document.sha256, *place)))
    return hashlib.sha256(identity.encode()).hexdigest()


def _near(split: Split) -> bytes:
    """A hash of the middle and the lines around it, white space aside."""
    before = [line for line in split.prefix[-2_000:].splitlines() if line.strip()][-LINES_BEFORE:]
    after = [line for line in split.suffix[:2_000].splitlines() if line.strip()][:LINES_AFTER]
    parts = (" ".join(" ".join(part).split()) for part in (before, [split.middle], after))
    return hashlib.sha256("\0".join(parts).encode()).digest()


class _Takes:
    """What was taken so far, and the limits on taking more."""

    def __init__(self, recipe: BenchmarkRecipe, removed: Counter[str]) -> None:
        self._recipe, self._removed = recipe, removed
        self.taken: list[Cut] = []
        self._in_file: dict[tuple[str, str], list[Cut]] = defaultdict(list)

    def take(self, pool: dict[str, list[Cut]]) -> None:
        """Take the cases of one stratum from the candidates of each project."""
        queues = [sorted(cuts, key=lambda cut: cut.order) for cuts in pool.values()]
        queues.sort(key=lambda cuts: cuts[0].order)
        count = 0
        for _ in range(self._recipe.cases_per_project):
            for queue in queues:
                if count < self._recipe.cases_per_stratum and (cut := self._next(queue)):
                    self.taken.append(cut)
                    self._in_file[cut.document.project, cut.document.path].append(cut)
                    count += 1

    def _next(self, queue: list[Cut]) -> Cut | None:
        """The first cut of a queue that may be taken; it and those before it leave the queue."""
        while queue:
            cut = queue.pop(0)
            others = self._in_file[cut.document.project, cut.document.path]
            if len(others) == self._recipe.cases_per_file:
                continue
            if any(cut.start < other.end and other.start < cut.end for other in others):
                self._removed["overlapping"] += 1
                continue
            return cut
        return None
