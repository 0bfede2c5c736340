"""What a recipe's cuts come out as over real files: kinds drawn against kinds asked, units, lengths of middles.

Three figures stand beside each other for every kind. *Asked* is the recipe's share. *Attainable* is the share that
files allow, since a file without blocks gives no block boundary: `syntax_split` draws the pair of kinds by weight among
those that a file has a middle for. *Drawn* is what came out. Cost: per file one cut for each pair of kinds, and one for
each draw, about 3 ms each for 10 kB.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from midspan.fim.split import Split, document_rng
from midspan.fim.syntax import Pair, pair_shares, possible_pairs, shares, syntax_split
from midspan.recipe.schema import FimConfig
from midspan.syntax.cuts import CutKind
from midspan.syntax.languages import language_of

NO_GRAMMAR = "(by indentation)"
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class KindShare:
    """Shares of one kind of cut point, between 0 and 1."""

    kind: str
    asked: float
    attainable: float
    drawn: float

    @property
    def difference(self) -> float:
        """Drawn less asked, in percentage points."""
        return 100 * (self.drawn - self.asked)


@dataclass(frozen=True)
class Drawn:
    """The draws over one group of files.

    `partial` counts the files that have middles for some of the asked pairs of kinds only, `uncut` those that have
    none. `chars` and `lines` are the lengths of the middles at QUANTILES; a middle within one line has one.
    """

    name: str
    files: int
    partial: int
    uncut: int
    splits: int
    starts: tuple[KindShare, ...]
    ends: tuple[KindShare, ...]
    units: dict[str, float]
    chars: tuple[int, ...]
    lines: tuple[int, ...]

    @property
    def largest_difference(self) -> float:
        """The largest difference of a kind, start or end, in percentage points without sign."""
        return max((abs(share.difference) for share in (*self.starts, *self.ends)), default=0.0)

    @property
    def largest_miss(self) -> float:
        """The largest distance of a drawn share from the attainable one, in percentage points."""
        shares = (*self.starts, *self.ends)
        return max((100 * abs(share.drawn - share.attainable) for share in shares), default=0.0)


@dataclass(frozen=True)
class CutReport:
    """Draws over all files, over those that have every asked pair of kinds, over the others, and by language."""

    all: Drawn
    whole: Drawn
    partial: Drawn
    languages: tuple[Drawn, ...]


@dataclass
class _Tally:
    name: str
    files: int = 0
    partial: int = 0
    uncut: int = 0
    starts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    attainable_starts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    attainable_ends: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    units: Counter[str] = field(default_factory=Counter)
    chars: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add(self, splits: Sequence[Split], attainable: dict[Pair, float], is_whole: bool) -> None:
        self.files += 1
        self.uncut += not splits
        self.partial += bool(splits) and not is_whole
        for (start, end), share in attainable.items():
            self.attainable_starts[start] += share * len(splits)
            self.attainable_ends[end] += share * len(splits)
        for split in splits:
            self.starts[split.start_kind] += 1
            self.ends[split.end_kind] += 1
            self.units[split.unit] += 1
            self.chars.append(len(split.middle))
            self.lines.append(len(split.middle.splitlines()))

    def drawn(self, config: FimConfig) -> Drawn:
        total = len(self.chars)
        return Drawn(
            self.name,
            self.files,
            self.partial,
            self.uncut,
            total,
            _kinds(shares(config.start, "start"), self.attainable_starts, self.starts, total),
            _kinds(shares(config.end, "end"), self.attainable_ends, self.ends, total),
            {unit: count / total for unit, count in self.units.most_common()},
            _quantiles(self.chars),
            _quantiles(self.lines),
        )


def cut_report(files: Iterable[tuple[str, str]], config: FimConfig, draws: int, seed: int) -> CutReport:
    """Cut every (path, text) `draws` times, each as in another epoch of fine-tuning.

    Raises MidspanError if all weights of the start or of the end are zero.
    """
    asked = pair_shares(config)
    everything, whole, partial = _Tally("all files"), _Tally("every kind possible"), _Tally("some kinds impossible")
    languages: dict[str, _Tally] = {}
    for path, text in files:
        language = language_of(path)
        possible = possible_pairs(text, language, document_rng(seed, 0, path), config)
        drawn = (syntax_split(text, language, document_rng(seed, epoch, path), config) for epoch in range(draws))
        splits = [split for split in drawn if split]
        room = sum(asked[pair] for pair in possible)
        attainable = {pair: asked[pair] / room for pair in possible}
        is_whole = len(possible) == len(asked)
        name = language.name if language else NO_GRAMMAR
        of_language = languages.setdefault(name, _Tally(name))
        for tally in (everything, whole if is_whole else partial, of_language):
            tally.add(splits, attainable, is_whole)
    ordered = sorted(languages.values(), key=lambda tally: (-tally.files, tally.name))
    return CutReport(
        everything.drawn(config),
        whole.drawn(config),
        partial.drawn(config),
        tuple(each.drawn(config) for each in ordered),
    )


def _kinds(
    asked: Mapping[CutKind, float], attainable: Mapping[str, float], drawn: Mapping[str, int], total: int
) -> tuple[KindShare, ...]:
    if not total:
        return ()
    return tuple(
        KindShare(kind.value, asked.get(kind, 0.0), attainable[kind] / total, drawn[kind] / total) for kind in CutKind
    )


def _quantiles(values: list[int]) -> tuple[int, ...]:
    """The values at QUANTILES by nearest rank; empty if there are none."""
    ordered = sorted(values)
    return tuple(ordered[round(share * (len(ordered) - 1))] for share in QUANTILES) if ordered else ()
