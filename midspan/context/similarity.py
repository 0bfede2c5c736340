"""How much two pieces of code have in common: intersection over union (IoU, the Jaccard index) of sets.

Over lines it compares whole files (cheap, exact matches only); over BPE tokens it compares windows of a few lines,
where shared identifiers and their parts count.
"""

from collections.abc import Iterable, Set

import numpy as np
from numpy.typing import NDArray


def line_set(lines: Iterable[str]) -> frozenset[str]:
    """Distinct lines without surrounding blanks; empty lines say nothing and are left out."""
    return frozenset(stripped for line in lines if (stripped := line.strip()))


def iou(one: Set[str], other: Set[str]) -> float:
    """Share of the union that is in both, from 0 to 1; 0 for two empty sets."""
    common = len(one & other)
    union = len(one) + len(other) - common
    return common / union if union else 0.0


def window_iou(
    query: NDArray[np.int32], tokens: NDArray[np.int32], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:  # [windows]
    """IoU of the distinct tokens `query` with each of many windows.

    `tokens` holds the distinct tokens of window after window, `sizes` how many each window has (at least one).
    Cost: one table look-up per stored token, about 1 ms per million.
    """
    if not len(sizes):
        return np.zeros(0)
    table = np.zeros(int(max(tokens.max(), query.max(initial=0))) + 1, dtype=np.int32)
    table[query] = 1
    starts = np.cumsum(sizes) - sizes
    common = np.add.reduceat(table[tokens], starts)
    return np.asarray(common / (sizes + len(query) - common), dtype=np.float64)
