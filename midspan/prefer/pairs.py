"""From judged candidates to preference pairs for DPO.

Within a case a pair (chosen, rejected) is allowed if
- the chosen one passes every hard check, is complete (ended by the model or cut at a statement's end, never by the
  length limit) and scores at least `MIN_CHOSEN_SCORE`: the better of two bad completions teaches nothing;
- the rejected one was sampled: what the model never said needs no unlearning;
- its score exceeds the rejected one's by more than the margin; what fails a hard check counts as score 0.

Over all cases no (language, kind of caret) may have more pairs than its square-root share: with n_g pairs in group g
and N in all, at most N sqrt(n_g) / sum of the sqrt(n). Groups of one size stay as they are; of groups of different
sizes only the large ones lose pairs, those with the smallest margins. It is the rule by which cases are drawn
(`data.cases`), applied once more because cases of some languages and kinds yield more pairs than others.

Length must not give the answer away, or DPO learns mere brevity (or, with sums of log-probabilities, mere length:
arXiv 2403.19159). Two rules: within a case, pairs whose chosen side is the shorter and pairs whose chosen side is the
longer take turns; over all cases neither kind may be more than `MAX_DIRECTION_RATIO` times the other, and of the more
frequent kind those with the smallest margins are left out. Not 1: running on *is* the commonest fault of the
model, and a pair that cuts it is shorter by nature.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

MIN_CHOSEN_SCORE = 0.4
MAX_DIRECTION_RATIO = 2.0


@dataclass(frozen=True)
class Candidate:
    """One completion of one case, judged. `complete`: the text is whole, so an end token belongs behind it."""

    text: str
    source: Literal["sampled", "shortened", "truth"]
    complete: bool
    temperature: float
    score: float
    failed: str
    reason: str

    @property
    def value(self) -> float:
        """The score, or 0 if a hard check failed."""
        return 0.0 if self.failed else self.score

    @property
    def length(self) -> int:
        """Characters, surrounding whitespace aside."""
        return len(self.text.strip())


@dataclass(frozen=True)
class Pair:
    """Two completions of the case `case_id`; the first is to be preferred."""

    case_id: str
    chosen: Candidate
    rejected: Candidate

    @property
    def margin(self) -> float:
        """Difference of the values."""
        return self.chosen.value - self.rejected.value

    @property
    def direction(self) -> int:
        """-1 if the chosen side is shorter, 1 if it is longer, 0 if both are of one length."""
        return (self.chosen.length > self.rejected.length) - (self.chosen.length < self.rejected.length)


def make_pairs(case_id: str, candidates: Sequence[Candidate], min_margin: float, limit: int) -> list[Pair]:
    """At most `limit` pairs of one case, no rejected text twice.

    Best chosen first, then widest margin; the two directions take turns.
    """
    allowed = sorted(
        (
            Pair(case_id, chosen, rejected)
            for chosen in candidates
            for rejected in candidates
            if _may_win(chosen) and rejected.source == "sampled" and chosen.value > rejected.value + min_margin
        ),
        key=lambda pair: (-pair.chosen.value, -pair.margin, pair.chosen.text, pair.rejected.text),
    )
    shorter = [pair for pair in allowed if pair.direction <= 0]
    longer = [pair for pair in allowed if pair.direction > 0]
    pairs: list[Pair] = []
    for pair in _alternate(longer, shorter):
        if len(pairs) == limit:
            break
        if all(pair.rejected.text != other.rejected.text for other in pairs):
            pairs.append(pair)
    return pairs


def balance(pairs: Iterable[Pair]) -> list[Pair]:
    """Leave out pairs of the more frequent direction until it is at most `MAX_DIRECTION_RATIO` times the other.

    Pairs of equal length always stay. One pair of a direction is treated as if the other had one, too, so that a tiny
    set is not emptied. The order is kept.
    """
    pairs = list(pairs)
    counts = Counter(pair.direction for pair in pairs)
    allowed = int(MAX_DIRECTION_RATIO * max(1, min(counts[-1], counts[1])))
    return _widest(pairs, [pair.direction for pair in pairs], {0: counts[0], -1: allowed, 1: allowed})


def even_out(pairs: Iterable[Pair], groups: Mapping[str, Hashable]) -> list[Pair]:
    """Cut every group to its square-root share, rounded up; `groups` says the group of each case id.

    No group is emptied, as the share is never below the square root of its size. The order is kept.
    """
    pairs = list(pairs)
    keys = [groups[pair.case_id] for pair in pairs]
    counts = Counter(keys)
    roots = sum(map(math.sqrt, counts.values()))
    # The rounding keeps a share that is a whole number from being lifted by the last bit of a square root.
    shares = {key: math.ceil(round(len(pairs) * math.sqrt(number) / roots, 9)) for key, number in counts.items()}
    return _widest(pairs, keys, shares)


def _widest(pairs: Sequence[Pair], keys: Sequence[Hashable], allowed: Mapping[Any, int]) -> list[Pair]:
    """Of the pairs with each key the `allowed` number with the widest margins, in the order given."""
    left = dict(allowed)
    kept: set[int] = set()
    for index in sorted(range(len(pairs)), key=lambda index: (-pairs[index].margin, index)):
        if left[keys[index]] > 0:
            left[keys[index]] -= 1
            kept.add(index)
    return [pair for index, pair in enumerate(pairs) if index in kept]


def _may_win(candidate: Candidate) -> bool:
    return candidate.complete and not candidate.failed and candidate.score >= MIN_CHOSEN_SCORE


def _alternate(first: Sequence[Pair], second: Sequence[Pair]) -> Iterator[Pair]:
    for one, other in zip_longest(first, second):
        if one is not None:
            yield one
        if other is not None:
            yield other
