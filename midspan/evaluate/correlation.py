"""How KK goes with the other metrics, case by case: rank correlations by Spearman and by Kendall (tau-b, for ties)."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from midspan.evaluate.metrics import Scores
from midspan.evaluate.run import Prediction

MOST = 4_000
"""Pairs are compared each with each: of more predictions this many, evenly chosen, are looked at."""

Array = NDArray[np.float64]


def correlations(predictions: Sequence[Prediction]) -> dict[str, dict[str, float]]:
    """For every other metric `spearman` and `kendall` with KK; metrics that are the same everywhere are left out."""
    step = max(1, -(-len(predictions) // MOST))
    found = {}
    for name in (each.name for each in fields(Scores) if each.name != "kk"):
        known = [
            (prediction.scores.kk, float(value))
            for prediction in predictions[::step]
            if (value := getattr(prediction.scores, name)) is not None
        ]
        kk, other = np.array(known, dtype=float).reshape(-1, 2).T
        if len(set(kk.tolist())) > 1 and len(set(other.tolist())) > 1:
            found[name] = {"spearman": round(spearman(kk, other), 4), "kendall": round(kendall(kk, other), 4)}
    return found


def spearman(one: Array, other: Array) -> float:
    """The correlation of the ranks; equal values share the mean of theirs."""
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def kendall(one: Array, other: Array) -> float:
    """Tau-b: pairs in the same order less pairs in the opposite one, over pairs that are not tied on either side."""
    agreeing = untied = other_untied = 0
    for index in range(len(one)):
        left, right = np.sign(one[index + 1 :] - one[index]), np.sign(other[index + 1 :] - other[index])
        agreeing += int(left @ right)
        untied += int(np.count_nonzero(left))
        other_untied += int(np.count_nonzero(right))
    return float(agreeing / np.sqrt(float(untied) * float(other_untied)))


def _ranks(values: Array) -> Array:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Array = (ends - (counts - 1) / 2)[inverse]
    return ranks
