from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from midspan.evaluate.line_agreement import KEPT, kk

LINES = st.lists(st.text("ab= ", min_size=1, max_size=6), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("suggestion", "truth", "expected"),
    [
        ("a = 1\nb = 2", "  a = 1\n\n\n    b = 2\n", 1),
        ("a = 1", "a = 1\nb = 2", 2 / 3),
        ("a = 1\nb = 2\nc = 3", "a = 1\nb = 2", 4 / 5),
        ("b = 2\na = 1", "a = 1\nb = 2", 1 / 2),
        ("return compute(left, right)", "return compute(left, wrong)", 1 - 5 / 27),
        ("entirely(other)", "return x", 0),
        ("", "return x", 0),
        ("return x", "\n \n", 0),
    ],
)
def test_examples(suggestion, truth, expected):
    assert kk(suggestion, truth) == pytest.approx(expected)


@given(LINES, LINES)
def test_it_is_the_best_of_all_alignments(suggestion, truth):
    written = [line.strip() for line in suggestion if line.strip()]
    wanted = [line.strip() for line in truth if line.strip()]

    def similar(line, other):
        similarity = Levenshtein.normalized_similarity(line, other)
        return similarity if similarity >= KEPT else 0

    best = max(
        sum(similar(written[i], wanted[j]) for i, j in zip(left, right, strict=True))
        for size in range(min(len(written), len(wanted)) + 1)
        for left in combinations(range(len(written)), size)
        for right in combinations(range(len(wanted)), size)
    )
    expected = 2 * best / (len(written) + len(wanted)) if written and wanted else 0
    assert kk("\n".join(suggestion), "\n".join(truth)) == pytest.approx(expected)


@given(LINES, LINES)
def test_it_does_not_matter_which_side_is_the_truth(one, other):
    assert kk("\n".join(one), "\n".join(other)) == pytest.approx(kk("\n".join(other), "\n".join(one)))
