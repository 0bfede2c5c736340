"""KK, the line-level agreement of a suggestion with the truth: how much of it a person would keep, line by line.

JetBrains report a metric of this name that follows human judgement best, without its formula (arXiv 2510.05788). This
is a definition in the open, made for the same purpose:

    KK = 2 A / (|S| + |T|)

S and T are the non-blank lines of suggestion and truth, trimmed. A is the largest total agreement of an alignment that
keeps the order of both sides; a pair of lines agrees to the extent of their edit similarity (1 - Levenshtein distance /
length of the longer), but pairs below `KEPT` count nothing: a line that differs in more than a quarter is faster typed
than mended. So a line too many costs as a line too few, one wrong name in a long line costs little, right lines in the
wrong order count once, and an exact match is 1. With T of a single line KK is the line's similarity, or 0.

`line_match`, JetBrains' published relaxed match, asks instead whether any lines occur anywhere. Cost: |S| |T|
distances.
"""

from rapidfuzz.distance import Levenshtein

KEPT = 0.75
"""Least similarity from which on a line is worth keeping."""


def kk(suggestion: str, truth: str) -> float:
    """KK of two texts, from 0 to 1; 0 if either has no visible line."""
    written = [line.strip() for line in suggestion.splitlines() if line.strip()]
    wanted = [line.strip() for line in truth.splitlines() if line.strip()]
    if not written or not wanted:
        return 0.0
    best = [0.0] * (len(wanted) + 1)  # best[j]: agreement of the lines so far with the first j of the truth
    for line in written:
        above = best
        best = [0.0]
        for position, other in enumerate(wanted):
            similarity = Levenshtein.normalized_similarity(line, other, score_cutoff=KEPT)
            best.append(max(above[position + 1], best[position], above[position] + similarity))
    return 2 * best[-1] / (len(written) + len(wanted))
