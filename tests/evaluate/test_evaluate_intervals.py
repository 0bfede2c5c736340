import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.evaluate.intervals import difference_interval, mean_interval, ratio_interval

ROWS = st.lists(st.tuples(st.integers(0, 100), st.sampled_from("abcdefgh")), min_size=1, max_size=60)


@given(ROWS, st.integers(0, 5))
def test_the_value_is_the_mean_and_lies_in_the_interval(rows, seed):
    values, projects = [float(value) for value, _ in rows], [project for _, project in rows]
    interval = mean_interval(values, projects, seed)
    assert interval.value == pytest.approx(np.mean(values))
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval.low <= interval.value + 1e-9 and interval.value <= interval.high + 1e-9
    assert mean_interval(values, projects, seed) == interval


def test_one_project_gives_a_point():
    interval = mean_interval([0.0, 1.0, 1.0, 1.0], ["p"] * 4, 0)
    assert interval.low == interval.value == interval.high == 0.75


def test_projects_are_resampled_not_cases():
    """Two projects that disagree: the interval spans both however many cases there are."""
    values, projects = [0.0] * 500 + [1.0] * 500, ["a"] * 500 + ["b"] * 500
    interval = mean_interval(values, projects, 0)
    assert (interval.low, interval.high) == (0, 1)


def test_about_95_of_100_intervals_hold_the_truth():
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        projects = [str(number) for number in range(40) for _ in range(5)]
        centres = rng.normal(0.5, 0.1, 40)
        values = [float(value) for centre in centres for value in rng.normal(centre, 0.1, 5)]
        interval = mean_interval(values, projects, trial)
        held += interval.low <= 0.5 <= interval.high
    assert 0.88 <= held / 200 <= 0.99


def test_more_projects_narrow_the_interval():
    rng = np.random.default_rng(2)
    widths = []
    for count in (10, 200):
        interval = mean_interval([float(value) for value in rng.random(count)], [str(n) for n in range(count)], 0)
        widths.append(interval.high - interval.low)
    assert widths[1] < widths[0] / 2


def test_a_ratio_is_of_sums():
    interval = ratio_interval([10.0, 0.0], [100.0, 1.0], ["a", "b"], 0)
    assert interval.value == pytest.approx(10 / 101)
    assert (interval.low, interval.high) == (0, pytest.approx(0.1))


def test_pairs_cancel_what_makes_a_project_hard():
    """One side is always a tenth better, in projects that differ by far more."""
    projects = [str(number) for number in range(20) for _ in range(5)]
    one = [float(int(project) % 10) for project in projects]
    other = [value + 0.1 for value in one]
    ones = [1.0] * len(one)
    interval = difference_interval((one, ones), (other, ones), projects, 0)
    assert interval.value == pytest.approx(0.1)
    assert (interval.low, interval.high) == (pytest.approx(0.1), pytest.approx(0.1))


@given(ROWS, st.integers(0, 5))
def test_a_difference_is_that_of_the_means(rows, seed):
    values, projects = [float(value) for value, _ in rows], [project for _, project in rows]
    ones = [1.0] * len(rows)
    interval = difference_interval((values, ones), (values[::-1], ones), projects, seed)
    assert interval.value == pytest.approx(0, abs=1e-9)
    assert interval.low <= 1e-9 and interval.high >= -1e-9
