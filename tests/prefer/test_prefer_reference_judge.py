import asyncio

import pytest
from case_samples import MIDDLE, case
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from midspan.prefer.judges.reference import ReferenceJudge, edit_similarity, length_closeness, line_agreement

BETTER_FIRST = [
    MIDDLE,
    MIDDLE.replace("negative radius", "radius is negative"),
    '        raise ValueError("negative radius")\n',
    "        pass\n",
    "",
]


def scores(*texts, middle=MIDDLE):
    return [verdict.score for verdict in asyncio.run(ReferenceJudge().judge(case(middle=middle), texts))]


def test_nearer_to_the_truth_scores_higher():
    values = scores(*BETTER_FIRST)
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)
    assert values[0] == pytest.approx(1) and values[-1] == 0


def test_running_on_costs():
    once, on, far = scores(MIDDLE, MIDDLE + "\n\ndef other():\n    return 1\n", MIDDLE + "    x = 1\n" * 20)
    assert once > on > far


def test_whitespace_around_does_not_count():
    assert scores("\n" + MIDDLE.strip() + "  \n\n")[0] == pytest.approx(1)


@given(st.text(min_size=1).filter(str.strip), st.text())
def test_scores_are_between_0_and_1_and_only_the_truth_gets_1(truth, text):
    value = scores(text, middle=truth)[0]
    assert 0 <= value <= 1 + 1e-9
    if text.strip() == truth.strip():
        assert value == pytest.approx(1)


@given(st.text("ab\n", min_size=1).filter(str.strip), st.text("ab\n", min_size=1).filter(str.strip))
def test_the_three_terms(truth, text):
    assert edit_similarity(truth, text) == Levenshtein.normalized_similarity(truth.strip(), text.strip())
    assert line_agreement(truth, text) == line_agreement(text, truth)
    assert length_closeness(truth, text) == length_closeness(text, truth)
    assert line_agreement(truth, truth) == length_closeness(truth, truth) == 1


def test_line_agreement_counts_repeated_lines():
    assert line_agreement("a\na\nb", "a\nb\nb") == pytest.approx(2 / 3)


def test_reasons_hold_no_source_text():
    [verdict] = asyncio.run(ReferenceJudge().judge(case(), ["secret_name = 1"]))
    assert "secret_name" not in verdict.reason
