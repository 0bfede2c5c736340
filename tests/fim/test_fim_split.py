"""Random cuts and their source of randomness."""

import random

from hypothesis import given
from hypothesis import strategies as st

from midspan.fim.split import document_rng, random_split

TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.text("\r\na ", max_size=50),
)


@given(text=TEXT, seed=st.integers(0, 2**32))
def test_the_parts_make_the_text(text, seed):
    split = random_split(text, random.Random(seed))
    assert split.prefix + split.middle + split.suffix == text
    assert not (split.prefix.endswith("\r") and (split.middle + split.suffix).startswith("\n"))
    assert not ((split.prefix + split.middle).endswith("\r") and split.suffix.startswith("\n"))
    assert split == random_split(text, random.Random(seed))


def test_borders_are_uniform():
    rng = random.Random(1)
    splits = [random_split("x" * 1_000, rng) for _ in range(4_000)]
    thirds = [
        sum(len(part) for part in parts) / 4e6
        for parts in zip(*((s.prefix, s.middle, s.suffix) for s in splits), strict=True)
    ]
    assert all(abs(third - 1 / 3) < 0.02 for third in thirds)


def test_document_rng_depends_on_every_part_of_its_key():
    draws = {document_rng(*key).random() for key in [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"), (0, 0, "")]}
    assert len(draws) == 5


def test_document_rng_is_the_same_everywhere():
    assert document_rng(7, 1, "project/é.py").randrange(10**9) == 743873014
