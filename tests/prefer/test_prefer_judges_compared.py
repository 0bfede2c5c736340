"""Scores from comparisons, agreement of judges, position bias, the rubric's answers."""

import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.prefer.judges.agreement import agreement, kappa, label, position_bias, wilson
from midspan.prefer.judges.comparisons import Comparison, pairs_to_compare, scores, spread
from midspan.prefer.judges.judge import Verdict
from midspan.prefer.judges.rubric import CRITERIA, Answer, Unreadable, read_answer

LABELS = st.lists(st.tuples(st.sampled_from([1, 0, -1]), st.sampled_from([1, 0, -1])), min_size=1, max_size=40)


@given(st.integers(0, 12), st.integers(0, 70))
def test_pairs_are_distinct_and_spread_evenly(count, limit):
    pairs = pairs_to_compare(count, limit)
    assert len(pairs) == min(limit, count * (count - 1) // 2)
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert all(first != second for first, second in pairs)
    if len(pairs) >= count > 2:
        met = [sum(number in pair for pair in pairs) for number in range(count)]
        assert max(met) - min(met) <= 2


@given(st.integers(0, 30), st.integers(2, 40))
def test_spread_keeps_the_ends(count, limit):
    numbers = spread(count, limit)
    assert len(set(numbers)) == len(numbers) == min(count, limit)
    if count:
        assert (numbers[0], numbers[-1]) == (0, count - 1)


OUTCOMES = st.integers(2, 6).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.lists(
            st.builds(
                Comparison, st.integers(0, count - 1), st.integers(0, count - 1), st.sampled_from([1, 0, -1])
            ).filter(lambda one: one.first != one.second),
            max_size=20,
        ),
    )
)


@given(OUTCOMES)
def test_scores_solve_the_likelihood_equations(outcomes):
    """At the maximum every text's wins equal the wins expected of it, the tie against the imagined text included."""
    count, comparisons = outcomes
    values = scores(count, comparisons)
    strengths = [value / (1 - value) for value in values]
    for number in range(count):
        won, expected = 0.5, strengths[number] / (strengths[number] + 1)
        for one in comparisons:
            if number in (one.first, one.second):
                sign = 1 if number == one.first else -1
                won += (1 + sign * one.outcome) / 2
                expected += strengths[number] / (strengths[one.first] + strengths[one.second])
        assert won == pytest.approx(expected, abs=1e-3)


@given(OUTCOMES)
def test_turning_a_comparison_around_changes_nothing(outcomes):
    count, comparisons = outcomes
    turned = [Comparison(one.second, one.first, -one.outcome) for one in comparisons]
    assert scores(count, turned) == pytest.approx(scores(count, comparisons))


def test_winners_score_higher_and_ties_score_half():
    assert scores(2, []) == scores(2, [Comparison(0, 1, 0)]) == [0.5, 0.5]
    once, often = scores(2, [Comparison(0, 1, 1)]), scores(2, [Comparison(0, 1, 1)] * 5)
    assert 0.5 < once[0] < often[0] < 1 and once[0] + once[1] == pytest.approx(1)
    chain = scores(3, [Comparison(0, 1, 1), Comparison(1, 2, 1)])
    assert chain[0] > chain[1] > chain[2]


def test_kappa_of_cohens_paper():
    """Table 1 of Cohen (1960) as shares of 200: agreement 0.70, chance 0.41, kappa 0.492."""
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    assert kappa(table) == pytest.approx((0.70 - 0.41) / (1 - 0.41), abs=1e-6)


@given(LABELS)
def test_agreement_is_symmetric_and_its_intervals_hold_its_values(labels):
    one, other = zip(*labels, strict=True)
    found, turned = agreement(one, other), agreement(other, one)
    assert found.share == turned.share and found.decided == turned.decided
    assert found.kappa.value == pytest.approx(turned.kappa.value)
    assert -1 - 1e-9 <= found.kappa.value <= 1 + 1e-9
    for estimate in (found.share, found.decided):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert agreement(one, one).kappa.value == agreement(one, one).share.value == 1


@given(st.integers(1, 500).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_the_ends_of_wilsons_interval_are_196_standard_errors_away(counted):
    hits, count = counted
    found = wilson(hits, count)
    for end in (found.low, found.high):
        if end not in (0.0, 1.0) and abs(end - found.value) > 1e-9:
            error = math.sqrt(end * (1 - end) / count)
            assert abs(end - found.value) / error == pytest.approx(1.96, abs=1e-3)


def test_position_bias_counts_answers_that_name_a_side():
    assert position_bias([1, 1, 1, -1, 0, 0]).value == 0.75
    assert position_bias([0]).value == 0.5 and position_bias([]).low == 0.0


@pytest.mark.parametrize(("first", "second", "expected"), [(0.9, 0.1, 1), (0.1, 0.9, -1), (0.5, 0.5, 0), (0.6, 0.5, 0)])
def test_labels(first, second, expected):
    assert label(Verdict(first, ""), Verdict(second, ""), 0.15) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"better": "A"}',
        'Sure! ```json\n{"better": " a "}\n```',
        'In {x} we see {"better": "A", "criteria": {"correct": "C", "other": "A"}, "summary": 3} {"better": "B"}',
        '{"criteria": ["A"], "better": "A"}',
    ],
)
def test_readable_answers(text):
    assert read_answer(text) == Answer("A", {}, "")


@pytest.mark.parametrize("text", ["", "A", '{"better": "C"}', '{"better": null}', "[1]", '{"better": "A"', "{" * 5000])
def test_unreadable_answers(text):
    with pytest.raises(Unreadable):
        read_answer(text)


@given(st.text())
def test_whatever_a_model_writes_is_an_answer_or_unreadable(text):
    for wrapped in (text, json.dumps({"better": text}), json.dumps({"better": "tie", "criteria": text})):
        with contextlib.suppress(Unreadable):
            assert read_answer(wrapped).better in ("A", "B", "tie")


def test_the_whole_answer():
    criteria = dict.fromkeys(CRITERIA, "B")
    text = json.dumps({"criteria": criteria, "summary": "short", "better": "TIE"})
    assert read_answer(text) == Answer("tie", criteria, "short")
