import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.data.shingles import jaccard, shingle_sets

TEXTS = st.text(st.one_of(st.sampled_from("ab_1 \n.,"), st.characters(exclude_categories=["Cs"])), max_size=60)


def runs(text, size):
    words = re.sub(r"\W+", " ", text.lower()).split()
    return {tuple(words[start : start + size]) for start in range(max(1, len(words) - size + 1))}


@given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(1, 6))
def test_the_hashes_stand_for_the_runs_of_words(texts, size):
    sets = list(shingle_sets(texts, size))
    expected = [runs(text, size) for text in texts]
    assert [len(each) for each in sets] == [len(each) for each in expected]
    for left, wanted in zip(sets, expected, strict=True):
        assert list(left) == sorted(set(left.tolist()))
        for right, other in zip(sets, expected, strict=True):
            assert jaccard(left, right) == pytest.approx(len(wanted & other) / len(wanted | other))


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_a_text_has_the_same_set_whatever_stands_beside_it(texts):
    together = list(shingle_sets(texts, 3))
    for text, beside in zip(texts, together, strict=True):
        (alone,) = shingle_sets([text], 3)
        assert alone.tolist() == beside.tolist()
