"""Random cuts and their source of randomness."""

import random
import subprocess
import sys

import pytest
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


HOSTILE = [
    "",
    "\r\n",
    "\n\r\n\r",
    "\t\t",
    "🙂👩‍👩‍👧",
    "e\u0301" * 9,
    "\ufeffx = 1",
    "no final break",
    "a" * 100_000,
    "\x00\u2028",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_hostile_texts_are_cut_at_every_place_but_inside_a_line_break(text):
    splits = [random_split(text, random.Random(seed)) for seed in range(200)]
    assert all((split.prefix + split.middle + split.suffix).encode() == text.encode() for split in splits)
    borders = {border for split in splits for border in (len(split.prefix), len(text) - len(split.suffix))}
    allowed = {point for point in range(len(text) + 1) if text[point - 1 : point + 1] != "\r\n"}
    assert borders == allowed if len(text) < 20 else borders < allowed


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


def test_cuts_are_the_same_in_every_process():
    script = """
from midspan.fim.split import document_rng, random_split
from midspan.fim.syntax import syntax_split
from midspan.recipe.schema import FimConfig
from midspan.syntax.languages import LANGUAGES

text = "import os\\n\\ndef f(items):\\n    for item in items:\\n        print(item, 1)\\n    return len(items)\\n"
for epoch in range(20):
    print(random_split(text, document_rng(3, epoch, "a")))
    for name in ("python", "javascript", "markdown"):
        print(syntax_split(text, LANGUAGES[name], document_rng(3, epoch, name), FimConfig()))
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    assert outputs.pop().count("Split(") > 40
