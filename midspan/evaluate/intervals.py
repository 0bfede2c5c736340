"""Means with bootstrap confidence intervals over projects.

Cases of one project resemble each other, so whole projects are drawn with replacement, not cases (the cluster
bootstrap); the interval is the 2.5 and 97.5 percentile of the resampled figures. With fewer than about ten projects it
is too narrow, with one project it is a point. Cost: resamples x projects numbers, no loop over cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RESAMPLES = 2_000


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def mean_interval(values: Sequence[float], projects: Sequence[str], seed: int) -> Interval:
    """Mean of `values` (one per case, at least one); `projects` names each case's project."""
    return ratio_interval(values, [1.0] * len(values), projects, seed)


def ratio_interval(
    numerators: Sequence[float], denominators: Sequence[float], projects: Sequence[str], seed: int
) -> Interval:
    """Sum of `numerators` over sum of `denominators` (positive, one per case, at least one case)."""
    sums = _Projects(projects, seed)
    above, below = sums.of(numerators), sums.of(denominators)
    return _interval(float(above.sum() / below.sum()), (sums.draws @ above) / (sums.draws @ below))


def difference_interval(
    one: tuple[Sequence[float], Sequence[float]],
    other: tuple[Sequence[float], Sequence[float]],
    projects: Sequence[str],
    seed: int,
) -> Interval:
    """The ratio of `other` less that of `one`, each (numerators, denominators) over the same cases.

    Paired: both sides are resampled by the same draws, so what makes a project hard for both does not widen it.
    """
    sums = _Projects(projects, seed)
    values, resampled = [], []
    for numerators, denominators in (one, other):
        above, below = sums.of(numerators), sums.of(denominators)
        values.append(float(above.sum() / below.sum()))
        resampled.append((sums.draws @ above) / (sums.draws @ below))
    return _interval(values[1] - values[0], resampled[1] - resampled[0])


class _Projects:
    """Sums by project, and `draws`: for each resample how often each project was drawn."""

    def __init__(self, projects: Sequence[str], seed: int) -> None:
        names = sorted(set(projects))
        position = {name: number for number, name in enumerate(names)}
        self._index, self._count = np.array([position[project] for project in projects]), len(names)
        self.draws = _draws(len(names), seed)

    def of(self, values: Sequence[float]) -> Array:
        """One sum per project."""
        return np.bincount(self._index, np.asarray(values, dtype=float), self._count).astype(np.float64)


@lru_cache(maxsize=32)
def _draws(count: int, seed: int) -> Array:
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(np.float64)


def _interval(value: float, resampled: Array) -> Interval:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(value, float(low), float(high))
