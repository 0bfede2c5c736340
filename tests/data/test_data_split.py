import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.data.split import split_projects
from midspan.errors import MidspanError

SIZES = st.dictionaries(st.text(min_size=1, max_size=6), st.integers(1, 10**8), min_size=3, max_size=40)


@given(SIZES, st.integers(0, 5), st.floats(0, 1), st.floats(0, 1))
def test_every_project_is_in_one_split_and_no_split_is_empty(sizes, seed, valid_share, test_share):
    splits = split_projects(sizes, seed, valid_share, test_share)
    assert list(splits) == sorted(sizes)
    assert set(splits.values()) == {"train", "valid", "test"}
    backwards = dict(reversed(sizes.items()))
    assert split_projects(backwards, seed, valid_share, test_share) == splits


def test_large_and_tiny_projects_stay_in_train():
    sizes = {"giant": 10**8, "crumb": 10} | {f"project{n}": 10**6 for n in range(30)}
    for seed in range(20):
        splits = split_projects(sizes, seed, 0.1, 0.1)
        assert splits["giant"] == splits["crumb"] == "train"
        assert sorted(splits.values()).count("test") == 3


def test_the_seed_matters_and_a_new_project_moves_few_others():
    sizes = {f"project{n}": 1000 for n in range(100)}
    first = split_projects(sizes, 0, 0.05, 0.05)
    assert first != split_projects(sizes, 1, 0.05, 0.05)
    grown = split_projects(sizes | {"new": 1000}, 0, 0.05, 0.05)
    assert sum(grown[name] != split for name, split in first.items()) <= 2


@pytest.mark.parametrize("names", [["only"], ["one", "two"]])
def test_fewer_than_three_projects_are_refused(names):
    with pytest.raises(MidspanError, match=f"the corpus has {len(names)} project.*never"):
        split_projects(dict.fromkeys(names, 100), 0, 0.05, 0.05)
