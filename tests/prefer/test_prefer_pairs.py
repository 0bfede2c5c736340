import math
from collections import Counter

import pytest
from case_samples import candidate
from hypothesis import given
from hypothesis import strategies as st

from midspan.prefer.pairs import MAX_DIRECTION_RATIO, MIN_CHOSEN_SCORE, Candidate, Pair, balance, even_out, make_pairs

CANDIDATES = st.lists(
    st.builds(
        Candidate,
        text=st.text("ab \n", max_size=12),
        source=st.sampled_from(["sampled", "shortened"]),
        complete=st.booleans(),
        temperature=st.just(0.2),
        score=st.floats(0, 1),
        failed=st.sampled_from(["", "", "syntax"]),
        reason=st.just(""),
    ),
    max_size=8,
    unique_by=lambda one: one.text,
)


@given(CANDIDATES, st.floats(0, 1), st.integers(1, 4))
def test_pairs_of_a_case_obey_the_rules(candidates, margin, limit):
    pairs = make_pairs("c", candidates, margin, limit)
    assert len(pairs) <= limit
    for pair in pairs:
        assert pair.chosen in candidates and pair.rejected in candidates
        assert pair.chosen.value > pair.rejected.value + margin
        assert not pair.chosen.failed
        assert pair.chosen.complete
        assert pair.rejected.source == "sampled"
        assert pair.chosen.score >= MIN_CHOSEN_SCORE
    assert len({pair.rejected.text for pair in pairs}) == len(pairs)


@given(CANDIDATES, st.floats(0, 1))
def test_a_case_with_an_allowed_pair_yields_one(candidates, margin):
    allowed = any(
        one.complete and not one.failed and one.score >= MIN_CHOSEN_SCORE and one.value > other.value + margin
        for one in candidates
        for other in candidates
        if other.source == "sampled"
    )
    assert bool(make_pairs("c", candidates, margin, 2)) == allowed


@given(CANDIDATES, st.randoms())
def test_the_order_of_the_candidates_does_not_matter(candidates, rng):
    shuffled = list(candidates)
    rng.shuffle(shuffled)
    assert make_pairs("c", candidates, 0.1, 3) == make_pairs("c", shuffled, 0.1, 3)


def test_shorter_and_longer_answers_lose_in_turn():
    good = candidate("x" * 20, 0.9)
    losers = [candidate("y" * length, score) for length, score in ((30, 0.1), (40, 0.15), (50, 0.2), (5, 0.3))]
    assert [pair.direction for pair in make_pairs("c", [good, *losers], 0.1, 2)] == [1, -1]


def test_what_fails_a_check_loses_even_to_a_lower_score():
    pairs = make_pairs("c", [candidate("nearly right (", 0.95, failed="syntax"), candidate("ok", 0.5)], 0.15, 2)
    assert [(pair.chosen.text, pair.rejected.text) for pair in pairs] == [("ok", "nearly right (")]


def test_no_good_sample_no_pair():
    assert not make_pairs("c", [candidate("bad", 0.3), candidate("worse", 0.0)], 0.1, 2)
    assert not make_pairs("c", [candidate("cut by the limit", 0.9, complete=False), candidate("bad", 0.1)], 0.1, 2)


def pair(margin: float, direction: int, number: int = 0) -> Pair:
    lengths = {-1: (5, 9), 0: (7, 7), 1: (9, 5)}[direction]
    return Pair(
        f"c{number}", candidate("x" * lengths[0], 0.5 + margin / 2), candidate("y" * lengths[1], 0.5 - margin / 2)
    )


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([-1, 0, 1])), max_size=40))
def test_balance_keeps_the_directions_within_the_ratio_and_the_order(rows):
    pairs = [pair(margin, direction, number) for number, (margin, direction) in enumerate(rows)]
    kept = balance(pairs)
    counts = {direction: sum(one.direction == direction for one in kept) for direction in (-1, 0, 1)}
    assert max(counts[-1], counts[1]) <= MAX_DIRECTION_RATIO * max(1, min(counts[-1], counts[1]))
    assert counts[0] == sum(direction == 0 for _, direction in rows)
    assert [one.case_id for one in kept] == [one.case_id for one in pairs if one in kept]
    for direction in (-1, 1):
        lost = [one.margin for one in pairs if one.direction == direction and one not in kept]
        held = [one.margin for one in kept if one.direction == direction]
        assert not lost or not held or max(lost) <= min(held)


@pytest.mark.parametrize("direction", [-1, 1])
def test_one_sided_pairs_are_cut_to_two(direction):
    assert len(balance([pair(0.5, direction, number) for number in range(10)])) == 2


GROUPS = st.sampled_from([("python", "line_start"), ("python", "token_middle"), ("go", "line_start"), ("c", "x")])


@given(st.lists(st.tuples(st.floats(0, 1), GROUPS), max_size=60))
def test_no_language_and_kind_has_more_than_its_square_root_share(rows):
    pairs = [pair(margin, -1, number) for number, (margin, _) in enumerate(rows)]
    groups = {f"c{number}": group for number, (_, group) in enumerate(rows)}
    kept = even_out(pairs, groups)
    before, after = (Counter(groups[one.case_id] for one in some) for some in (pairs, kept))
    roots = sum(math.sqrt(count) for count in before.values())
    for group, count in before.items():
        share = len(pairs) * math.sqrt(count) / roots
        assert min(count, math.floor(share + 1e-6)) <= after[group] <= share + 1
        assert after[group] >= math.sqrt(count) - 1e-9
    assert kept == [one for one in pairs if one in kept]
    for group in before:
        lost = [one.margin for one in pairs if groups[one.case_id] == group and one not in kept]
        held = [one.margin for one in kept if groups[one.case_id] == group]
        assert not lost or max(lost) <= min(held)


@pytest.mark.parametrize(
    ("sizes", "left"),
    [((7,), (7,)), ((9, 9, 9), (9, 9, 9)), ((1, 2), (1, 2)), ((100, 4), (87, 4)), ((100, 100, 4), (93, 93, 4))],
)
def test_only_groups_that_are_larger_than_others_lose_pairs(sizes, left):
    groups = [group for group, size in enumerate(sizes) for _ in range(size)]
    kept = even_out(
        [pair(0.5, -1, number) for number in range(len(groups))],
        {f"c{number}": group for number, group in enumerate(groups)},
    )
    counts = Counter(groups[int(one.case_id[1:])] for one in kept)
    assert tuple(counts[group] for group in range(len(sizes))) == left
