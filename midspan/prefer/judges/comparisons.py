"""From comparisons of two texts to a score for each: which pairs to compare, and what the outcomes amount to.

The scores are Bradley and Terry's (1952): text i beats text j with probability p_i / (p_i + p_j). A tie counts as half
a win for each. Every text also plays one tie against an imagined text of strength 1, without which one that always
wins would get infinite strength, and texts that were never compared with each other, even indirectly, could not be
ranked (a prior; Caron and Doucet 2012). The strengths are found by the iteration of Hunter (2004, "MM algorithms for
generalized Bradley-Terry models"), and the score is p_i / (p_i + 1), the chance against the imagined text: 0.5 for a
text that wins as often as it loses. Scores are relative: the best of several bad texts is above 0.5 as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ITERATIONS = 200
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Comparison:
    """Texts number `first` and `second` against each other: `outcome` is 1, 0 (tie) or -1 from the first's view."""

    first: int
    second: int
    outcome: int


def pairs_to_compare(count: int, limit: int) -> list[tuple[int, int]]:
    """At most `limit` pairs of the numbers below `count`, each number equally often (give or take one).

    A circle in which each number meets its neighbour, then the one after it, and so on; all pairs if `limit` allows.
    """
    pairs = []
    for step in range(1, count // 2 + 1):
        starts = step if 2 * step == count else count
        pairs += [(start, (start + step) % count) for start in range(starts)]
    return pairs[:limit]


def spread(count: int, limit: int) -> list[int]:
    """At most `limit` of the numbers below `count`, evenly, the first and the last among them if `limit` is above 1."""
    if count <= limit:
        return list(range(count))
    step = (count - 1) / max(1, limit - 1)
    return [round(number * step) for number in range(limit)]


def scores(count: int, comparisons: Sequence[Comparison]) -> list[float]:
    """The score of each of `count` texts, between 0 and 1."""
    wins = [0.5] * count
    for one in comparisons:
        wins[one.first] += (1 + one.outcome) / 2
        wins[one.second] += (1 - one.outcome) / 2
    strengths = [1.0] * count
    for _ in range(ITERATIONS):
        games = [1 / (strength + 1) for strength in strengths]
        for one in comparisons:
            share = 1 / (strengths[one.first] + strengths[one.second])
            games[one.first] += share
            games[one.second] += share
        updated = [won / played for won, played in zip(wins, games, strict=True)]
        change = max((abs(new / old - 1) for new, old in zip(updated, strengths, strict=True)), default=0.0)
        strengths = updated
        if change < TOLERANCE:
            break
    return [strength / (strength + 1) for strength in strengths]
