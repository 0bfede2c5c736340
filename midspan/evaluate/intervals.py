"""Means with bootstrap confidence intervals over projects.

Cases of one project resemble each other, so whole projects are drawn with replacement, not cases (the cluster
bootstrap); the interval is the 2.5 and 97.5 percentile of the resampled figures. With fewer than about ten projects it
is too narrow, with one project it is a point. Cost: resamples x projects numbers, no loop over cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    names = sorted(set(projects))
    position = {name: number for number, name in enumerate(names)}
    index = np.array([position[project] for project in projects])
    above = np.bincount(index, weights=np.asarray(numerators, dtype=float), minlength=len(names))
    below = np.bincount(index, weights=np.asarray(denominators, dtype=float), minlength=len(names))
    value = float(above.sum() / below.sum())
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    low, high = np.percentile((draws @ above) / (draws @ below), [2.5, 97.5])
    return Interval(value, float(low), float(high))
