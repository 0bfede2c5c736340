"""How far two judges agree, and whether a judge favours a position.

Both are asked about the same pairs and say 1 (the first text is better), -1 (the second) or 0 (a tie). Which text is
the first must not depend on either judge (say, the order of the texts' hashes), or kappa means nothing.

Cohen's kappa (1960): (p_o - p_e) / (1 - p_e), with p_o the share of equal labels and p_e the share expected if each
judge kept its own frequencies but drew blindly; 0 is chance, 1 is full agreement. Its interval is a percentile
bootstrap over pairs; that of a share is Wilson's (1927), which holds for few answers and shares near 0 or 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midspan.prefer.judges.judge import Verdict

RESAMPLES = 2_000
Z95 = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Agreement:
    """Over `pairs` pairs: `share` of equal labels, `kappa`, and `decided`, the share of equal labels without ties."""

    pairs: int
    share: Estimate
    kappa: Estimate
    decided: Estimate


def agreement(one: Sequence[int], other: Sequence[int], seed: int = 0) -> Agreement:
    """Compare the labels (1, 0, -1) that two judges gave to the same pairs, at least one."""
    labels = list(zip(one, other, strict=True))
    cells = np.zeros((3, 3))
    np.add.at(cells, tuple(np.array(labels).T + 1), 1)
    draws = np.random.default_rng(seed).multinomial(len(labels), cells.ravel() / len(labels), size=RESAMPLES)
    low, high = np.percentile(kappa(draws.reshape(-1, 3, 3)), [2.5, 97.5])
    decided = [(left, right) for left, right in labels if left and right]
    return Agreement(
        len(labels),
        wilson(sum(left == right for left, right in labels), len(labels)),
        Estimate(float(kappa(cells)), float(low), float(high)),
        wilson(sum(left == right for left, right in decided), len(decided)),
    )


def kappa(cells: NDArray[Any]) -> NDArray[np.float64]:  # [..., labels, labels] -> [...]
    """Cohen's kappa of tables that count pairs of labels; 1 if both judges gave every pair one and the same label."""
    count = cells.sum((-2, -1))
    observed = cells.trace(axis1=-2, axis2=-1) / count
    expected = (cells.sum(-1) * cells.sum(-2)).sum(-1) / count**2
    room = np.where(expected < 1, 1 - expected, 1.0)
    return np.where(expected < 1, (observed - expected) / room, 1.0)


def wilson(hits: int, count: int) -> Estimate:
    """A share with its 95 % score interval; (0.5, 0, 1) if nothing was counted."""
    if not count:
        return Estimate(0.5, 0.0, 1.0)
    share, spread = hits / count, Z95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    reach = Z95 * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    # Rounding must not push an end past the share or out of its range.
    return Estimate(share, max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach)))


def position_bias(answers: Sequence[int]) -> Estimate:
    """Share of the answers naming a side that name the one shown first; each pair shown in both orders, 0.5 is fair."""
    sided = [answer for answer in answers if answer]
    return wilson(sum(answer > 0 for answer in sided), len(sided))


def label(first: Verdict, second: Verdict, margin: float = 0.0) -> int:
    """1 or -1 if one score is above the other by more than `margin`, else 0."""
    difference = first.score - second.score
    return (difference > margin) - (difference < -margin)
