"""chrF++ of one pair of texts, the figure that sacrebleu gives, at least twice as fast.

chrF (Popović, WMT 2015) is the F score, recall counting twice, over character n-grams of one to six characters; chrF++
(WMT 2017) adds words and pairs of words. As in sacrebleu, white space is no character, a word parts with a punctuation
mark at its end or else at its beginning, and orders of which one side has nothing do not count.

How it is fast: an alphabet of at most 1,024 characters makes an n-gram a number of 63 bits, its order in the highest
three, so that one sort of an array counts the n-grams of all orders at once.
"""

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
from sacrebleu.metrics.chrf import CHRF

CHAR_ORDER = 6
RECALL_WEIGHT = 4
"""Beta squared."""
_BITS = 10
_WIDTH, _ONE = np.uint64(_BITS), np.uint64(1)
_FIRST = np.zeros(1, np.int64)
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_SACREBLEU = CHRF(word_order=2)

Statistics = list[tuple[int, int, int]]
"""Of each order the number of n-grams in the suggestion, in the truth, and in both."""


def chrf(suggestion: str, truth: str) -> float:
    """Sentence-level chrF++, 0 to 100."""
    written, wanted = suggestion.split(), truth.split()
    if not written or not wanted:
        return 0.0
    if written == wanted:
        return 100.0
    characters = _character_statistics("".join(written), "".join(wanted))
    if characters is None:
        return float(_SACREBLEU.sentence_score(suggestion, [truth]).score)
    return _f_score(characters + _word_statistics(_parted(written), _parted(wanted)))


def chrf_signature() -> str:
    """Sacrebleu's signature: with it anybody can compute the same figure."""
    _SACREBLEU.sentence_score("a", ["a"])
    return str(_SACREBLEU.get_signature())


def _f_score(statistics: Statistics) -> float:
    """Precision and recall are averaged over the orders first; the operations are in sacrebleu's order, bit by bit."""
    precision = recall = 0.0
    orders = 0
    for written, wanted, both in statistics:
        if written and wanted:
            precision += both / written
            recall += both / wanted
            orders += 1
    if not orders or not precision + recall:
        return 0.0
    precision /= orders
    recall /= orders
    return 100 * ((1 + RECALL_WEIGHT) * precision * recall / (RECALL_WEIGHT * precision + recall))


def _character_statistics(written: str, wanted: str) -> Statistics | None:
    """None if the alphabet is too large."""
    codes = np.frombuffer((written + wanted).encode("utf-32-le", "surrogatepass"), np.uint32)
    letters = codes.astype(np.uint64)
    if codes.max() >= 1 << _BITS:
        alphabet, places = np.unique(codes, return_inverse=True)
        if len(alphabet) > 1 << _BITS:
            return None
        letters = places.astype(np.uint64)
    size, other = len(written), len(wanted)
    shifted = letters << _ONE  # the lowest bit says on which side an n-gram stands
    grams, parts = shifted, [shifted[:size], shifted[size:] | _ONE]
    for order in range(1, CHAR_ORDER):
        grams = (grams[:-1] << _WIDTH) | shifted[order:]
        marked = grams | np.uint64(order << (CHAR_ORDER * _BITS + 1))
        parts += [marked[: max(0, size - order)], marked[size:] | _ONE]
    keys = np.concatenate(parts)
    keys.sort()
    distinct = keys >> _ONE
    starts = np.flatnonzero(distinct[1:] != distinct[:-1]) + 1
    starts = np.concatenate((_FIRST, starts))
    right = np.add.reduceat((keys & _ONE).view(np.int64), starts)
    all_ = np.append(starts[1:], len(keys)) - starts
    orders = (distinct[starts] >> np.uint64(CHAR_ORDER * _BITS)).view(np.int64)
    both = np.bincount(orders, np.minimum(right, all_ - right), minlength=CHAR_ORDER).tolist()
    return [(max(0, size - order), max(0, other - order), int(both[order])) for order in range(CHAR_ORDER)]


def _word_statistics(written: list[str], wanted: list[str]) -> Statistics:
    return [
        _matches(Counter(written), Counter(wanted)),
        _matches(Counter(pairwise(written)), Counter(pairwise(wanted))),
    ]


def _matches(written: Counter[Any], wanted: Counter[Any]) -> tuple[int, int, int]:
    both = sum(min(written[gram], wanted[gram]) for gram in written.keys() & wanted.keys())
    return sum(written.values()), sum(wanted.values()), both


def _parted(words: list[str]) -> list[str]:
    parts: list[str] = []
    for word in words:
        if len(word) > 1 and word[-1] in _PUNCTUATION:
            parts += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in _PUNCTUATION:
            parts += [word[0], word[1:]]
        else:
            parts.append(word)
    return parts
