import pytest
from case_samples import MIDDLE, case
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from midspan.evaluate import metrics

CODE = st.text('abc_(): =\n\t"é', min_size=1, max_size=60)
TRUTH = CODE.filter(str.strip)


@given(CODE, TRUTH)
def test_edit_similarity_is_rapidfuzz_on_trimmed_text(suggestion, truth):
    distance = Levenshtein.distance(suggestion.strip(), truth.strip())
    longest = max(len(suggestion.strip()), len(truth.strip()))
    assert metrics.edit_similarity(suggestion, truth) == pytest.approx(1 - distance / longest)


@given(CODE, TRUTH)
def test_an_exact_match_is_perfect_by_every_metric(suggestion, truth):
    exact = metrics.exact_match(suggestion, truth)
    assert exact == (suggestion.strip() == truth.strip())
    assert metrics.first_line_match(suggestion, truth) >= exact
    if exact:
        assert metrics.line_match(suggestion, truth) == metrics.edit_similarity(suggestion, truth) == 1
        assert metrics.length_ratio(suggestion, truth) == 1


@pytest.mark.parametrize(
    ("suggestion", "truth", "expected"),
    [
        ("a = 1\nb = 2", "  a = 1\n\n  b = 2\n  c = 3", 1.0),
        ("b = 2\na = 1", "a = 1\nb = 2", 1.0),
        ("a = 1\nx = 9", "a = 1\nb = 2", 0.5),
        ("x = 9", "a = 1", 0.0),
        ("", "a = 1", 0.0),
        ("\n \n", "a = 1", 0.0),
    ],
)
def test_line_match(suggestion, truth, expected):
    assert metrics.line_match(suggestion, truth) == expected


def test_first_line():
    assert metrics.first_line_match("  return x\n  junk", "return x\n") == 1
    assert metrics.first_line_match("return y", "return x") == 0
    assert metrics.first_line_match("", "return x") == 0


def test_length_ratio_counts_trimmed_characters():
    assert metrics.length_ratio("  ab\n", "abcd") == 0.5
    assert metrics.length_ratio("", "abcd") == 0


def test_scores_of_the_truth():
    scores = metrics.score(case(), MIDDLE)
    assert (scores.em, scores.chrf, scores.stub, scores.empty, scores.valid) == (1, pytest.approx(100), 0, 0, 1)
    assert scores.saved_whole == (len(MIDDLE.rstrip()) - 1) / len(MIDDLE)


def test_scores_of_nothing():
    scores = metrics.score(case(), "")
    assert (scores.em, scores.chrf, scores.length_ratio, scores.empty, scores.valid) == (0, 0, 0, 1, None)


def test_validity_needs_a_grammar():
    assert metrics.score(case(), "        raise ((\n").valid == 0
    assert metrics.score(case(language="no such language"), "        raise ((\n").valid is None


def test_stubs():
    assert metrics.score(case(), "        raise NotImplementedError\n").stub == 1


def test_identifiers():
    assert metrics.identifier_f1("total = price * count", "total = price * amount") == pytest.approx(2 / 3)
    assert metrics.identifier_f1("x", "") == 0
    assert metrics.identifier_f1(") + 1", "(2)") is None


def test_perfect_lines_end_at_the_first_wrong_one():
    truth = "a = 1\nb = 2\n\nc = 3\nd = 4"
    assert metrics.perfect_lines("a = 1\n  b = 2\nx\nd = 4", truth) == 0.5
    assert metrics.perfect_lines("x\nb = 2", truth) == 0
    assert metrics.perfect_lines(truth + "\nmore", truth) == 1


def test_stopping_too_late_and_too_early():
    truth = "return a + b"
    assert (metrics.over_run("return a + b\n\nmore", truth), metrics.under_run("return a + b\nmore", truth)) == (1, 0)
    assert (metrics.over_run("return a", truth), metrics.under_run("return  a", truth)) == (0, 1)
    assert (metrics.over_run(truth, truth), metrics.under_run(truth, truth)) == (0, 0)
    assert (metrics.over_run("other", truth), metrics.under_run("", truth)) == (0, 0)


@given(CODE, TRUTH)
def test_over_and_under_run_are_opposites(suggestion, truth):
    assert not (metrics.over_run(suggestion, truth) and metrics.under_run(suggestion, truth))
    if suggestion.strip():
        assert metrics.over_run(suggestion, truth) == metrics.under_run(truth, suggestion)
