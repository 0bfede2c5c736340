import pytest
from case_samples import MIDDLE, case

from midspan.evaluate.answers import Answer
from midspan.evaluate.compare import differences, ranked, tally
from midspan.evaluate.run import scored

CASES = [case(id=f"{number:02}", project=f"p{number % 4}") for number in range(12)]


def predictions(texts):
    return scored(CASES, [Answer(text) for text in texts])


HALF_RIGHT = predictions([MIDDLE if number % 2 else "x = 1\n" for number in range(12)])
RIGHT = predictions([MIDDLE] * 12)
WRONG = predictions(["raise NotImplementedError\n"] * 12)


def by_name(one, other):
    return {each.figure.name: each for each in differences(CASES, one, other, 0)}


def test_what_differs_has_a_verdict_in_the_right_direction():
    found = by_name(WRONG, RIGHT)
    assert (found["em"].one, found["em"].other, found["em"].verdict) == (0, 1, "better")
    assert found["stub"].change.value == -1 and found["stub"].verdict == "better"
    assert by_name(RIGHT, WRONG)["stub"].verdict == "worse"
    assert found["length_ratio"].verdict == "differs"


def test_a_system_is_no_better_than_itself():
    for each in differences(CASES, HALF_RIGHT, HALF_RIGHT, 0):
        assert (each.change.value, each.change.low, each.change.high, each.verdict) == (0, 0, 0, "")


def test_a_figure_counts_the_cases_that_both_sides_speak_of():
    silent = predictions([MIDDLE if number < 6 else "" for number in range(12)])
    assert by_name(silent, RIGHT)["valid"].one == 1
    assert by_name(predictions([""] * 12), RIGHT).get("valid") is None


def test_regressions_come_first_and_wins_last():
    texts = ["x = 1\n", MIDDLE] + [MIDDLE if number % 2 else "x = 1\n" for number in range(2, 12)]
    texts[1], texts[4] = "x = 1\n", MIDDLE
    pairs = ranked(CASES, HALF_RIGHT, predictions(texts))
    assert (pairs[0].case.id, pairs[-1].case.id) == ("01", "04")
    assert tally(pairs) == {"worse": 1, "same": 10, "better": 1}
    assert pairs[0].change == pytest.approx((-1, pairs[0].other.scores.chrf - 100))
