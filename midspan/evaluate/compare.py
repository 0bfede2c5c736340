"""Two systems on the same cases: what differs beyond chance, and in which cases.

Differences are paired and their intervals come from the bootstrap over projects, so what makes a project hard for both
widens nothing. Twenty figures are looked at with 95 % each: one that differs alone may well do so by chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from midspan.data.cases import Case
from midspan.evaluate.figures import FIGURES, Figure
from midspan.evaluate.intervals import Interval, difference_interval
from midspan.evaluate.run import Prediction

Sums = tuple[float, float]
"""What a case adds to the numerator and to the denominator of a figure."""
Verdict = Literal["better", "worse", "differs", ""]
"""Of the other against the one; empty if the interval holds 0."""


@dataclass(frozen=True)
class Difference:
    """A figure on both sides, over the cases in which it says something on both; `change` is `other` less `one`."""

    figure: Figure
    one: float
    other: float
    change: Interval
    verdict: Verdict


@dataclass(frozen=True)
class Pair:
    """A case with what both sides suggested; `change` is what the other gains over the one, by KK, then by chrF++."""

    case: Case
    one: Prediction
    other: Prediction

    @property
    def change(self) -> tuple[float, float]:
        """Zero on both if neither is better."""
        one, other = self.one.scores, self.other.scores
        return other.kk - one.kk, other.chrf - one.chrf


def differences(
    cases: Sequence[Case], one: Sequence[Prediction], other: Sequence[Prediction], seed: int
) -> list[Difference]:
    """One for each figure that says anything on both sides."""
    found = []
    for figure in FIGURES.values():
        known = [
            (case.project, left, right)
            for case, first, second in zip(cases, one, other, strict=True)
            if (left := figure.share(case, first)) is not None and (right := figure.share(case, second)) is not None
        ]
        if known:
            found.append(_difference(figure, known, seed))
    return found


def ranked(cases: Sequence[Case], one: Sequence[Prediction], other: Sequence[Prediction]) -> list[Pair]:
    """Every case, regressions first, the worst at the front; wins last."""
    pairs = [Pair(*each) for each in zip(cases, one, other, strict=True)]
    return sorted(pairs, key=lambda pair: (pair.change, pair.case.id))


def tally(pairs: Sequence[Pair]) -> Mapping[str, int]:
    """How many cases got worse, stayed and got better, by KK."""
    changes = [pair.change[0] for pair in pairs]
    worse, better = sum(change < 0 for change in changes), sum(change > 0 for change in changes)
    return {"worse": worse, "same": len(changes) - worse - better, "better": better}


def _difference(figure: Figure, known: Sequence[tuple[str, Sums, Sums]], seed: int) -> Difference:
    projects = [project for project, _, _ in known]
    first, second = _sides([left for _, left, _ in known]), _sides([right for _, _, right in known])
    change = difference_interval(first, second, projects, seed)
    one, other = (sum(above) / sum(below) for above, below in (first, second))
    return Difference(figure, one, other, change, _verdict(figure, change))


def _sides(shares: Sequence[Sums]) -> tuple[list[float], list[float]]:
    return [above for above, _ in shares], [below for _, below in shares]


def _verdict(figure: Figure, change: Interval) -> Verdict:
    if change.low <= 0 <= change.high:
        return ""
    if not figure.better:
        return "differs"
    return "better" if (change.value > 0) == (figure.better == "higher") else "worse"
