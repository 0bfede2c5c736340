import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from midspan.evaluate.correlation import kendall, spearman

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=40).filter(
    lambda pairs: all(len(set(side)) > 1 for side in zip(*pairs, strict=True))
)


@given(PAIRS)
def test_they_are_scipys(pairs):
    one, other = np.array(pairs, dtype=float).T
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert kendall(one, other) == pytest.approx(stats.kendalltau(one, other).statistic)
