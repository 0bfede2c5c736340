import random
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from midspan.evaluate.chrf import chrf, chrf_signature

ORACLE = CHRF(word_order=2)
CODE = st.text('abc_(): =\n\t"é漢\U0001f600', max_size=60)


def sacrebleu(suggestion, truth):
    return ORACLE.sentence_score(suggestion, [truth]).score


@given(CODE, CODE)
def test_it_is_sacrebleus_to_the_last_bit(suggestion, truth):
    assert chrf(suggestion, truth) == sacrebleu(suggestion, truth)


def test_real_code_in_a_thousand_pairs():
    library = (Path(sysconfig.get_path("stdlib")) / "argparse.py").read_text()
    rng = random.Random(0)
    for _ in range(1_000):
        start, length = rng.randrange(len(library)), int(rng.expovariate(1 / 90)) + 1
        truth = library[start : start + length]
        changed = "".join(letter if rng.random() > 0.1 else rng.choice("ab_) \n") for letter in truth)
        suggestion = changed if rng.random() < 0.6 else library[start // 2 : start // 2 + length]
        assert chrf(suggestion, truth) == sacrebleu(suggestion, truth)


def test_an_alphabet_too_large_for_numbers():
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 1_100)))
    assert chrf(letters, letters[3:]) == sacrebleu(letters, letters[3:]) > 80


@pytest.mark.parametrize(("suggestion", "truth"), [("", "a"), ("a", ""), (" \n", "a"), ("(a)", "a"), ("a b", "ab")])
def test_borders(suggestion, truth):
    assert chrf(suggestion, truth) == sacrebleu(suggestion, truth)


def test_the_signature_names_the_variant():
    assert "nc:6|nw:2|space:no" in chrf_signature()
