import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.evaluate.typing import saved

CODE = st.text("ab_(= \n", max_size=40)
TRUTH = "total = price * count\n    return total\n"


@pytest.mark.parametrize(
    ("suggestion", "whole", "by_line", "by_word"),
    [
        (TRUTH, 37, 36, 31),
        ("total = price * count", 20, 20, 16),
        ("total = price * amount\n    return total\n", 0, 0, 11),
        ("total = price * count\n    return None\n", 0, 20, 26),
        ("total = pri", 10, 0, 8),
        ("  total = price", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_examples(suggestion, whole, by_line, by_word):
    result = saved(suggestion, TRUTH)
    assert (result.whole, result.by_line, result.by_word) == (whole, by_line, by_word)


@given(CODE, CODE)
def test_nobody_saves_more_than_the_truth_has_or_less_than_nothing(suggestion, truth):
    result = saved(suggestion, truth)
    for value in (result.whole, result.by_line, result.by_word):
        assert 0 <= value <= len(truth)


@given(CODE.filter(str.strip), CODE)
def test_what_is_right_as_a_whole_is_worth_most_when_accepted_whole(suggestion, more):
    result = saved(suggestion, suggestion + more)
    assert result.whole == len(suggestion.rstrip()) - 1
    assert result.whole >= result.by_line and result.whole >= result.by_word
