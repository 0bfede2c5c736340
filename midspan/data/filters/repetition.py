"""How much of a text repeats itself: Gopher's measures (arXiv 2112.11446, table A1) in the form RedPajama gives them.

A word is a run of ASCII letters and digits and of characters beyond ASCII; upper and lower case of ASCII are the same.
Words and runs of n words are compared by 64-bit hashes, so all is a few passes of NumPy over the bytes. A longer run
occurs twice only where the shorter ones at its two ends do: each length looks only at what the one before it left.

Many texts are measured in one go: hashes are salted by their text, so that equal words of two texts differ, and a run
across the border of two texts is like no other.

What duplicated runs cover shrinks with their length, so of Gopher's lengths 5 to 10 those are measured whose published
thresholds differ (OpenCoder: 5 words 0.8, 6 to 9 words 0.7, 10 words 0.6): 7 to 9 cannot speak before 6 does.

Cost: 35 MB/s, in batches of `BATCH_BYTES`, which take about 30 times as much memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from midspan.data.filters.characters import share

BATCH_BYTES = 100_000

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_BASE = 0x9E3779B97F4A7C15
_STEP = -0x29781077A99A026D
_LETTERS = bytes((ord(chr(code).lower()) if chr(code).isalnum() else 32) if code < 128 else code for code in range(256))
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())


@dataclass(frozen=True)
class Repetition:
    """Shares of the characters of all words; the share of unique words is one of words."""

    words: int
    mean_word_length: float
    unique_word_share: float
    top_2gram_share: float
    top_3gram_share: float
    top_4gram_share: float
    duplicate_5gram_share: float
    duplicate_6gram_share: float
    duplicate_10gram_share: float


def repetitions(texts: Sequence[bytes]) -> Iterator[Repetition]:
    """Measure texts given as UTF-8."""
    batch: list[bytes] = []
    held = 0
    for text in texts:
        batch.append(text)
        held += len(text)
        if held >= BATCH_BYTES:
            yield from _measure(batch)
            batch, held = [], 0
    if batch:
        yield from _measure(batch)


class _Words(NamedTuple):
    """The words of several texts laid end to end."""

    hashes: Numbers
    ends: Numbers
    """How many characters all words up to each border have, 0 at first."""
    text_of: Numbers
    """The text of each word."""
    borders: Numbers
    """For each text its first word, and behind the last text the number of all words."""


def _measure(texts: Sequence[bytes]) -> Iterator[Repetition]:
    words = _words(texts)
    count = len(words.hashes)
    places = np.arange(count)
    found, same = _together(words.hashes, places, count)
    copies = np.bincount(words.text_of[found[1:][same]], minlength=len(texts))
    places, runs = _repeated(places, words.hashes, found, same)
    parts = []
    for size in (2, 3, 4):
        places, runs = _longer(places, runs, words.hashes, size)
        found, same = _together(runs, places, count)
        parts.append(_most_frequent(found, same, words, size))
        places, runs = _repeated(places, runs, found, same)
    for size in (5, 6):
        places, runs = _longer(places, runs, words.hashes, size)
        places, runs = _repeated(places, runs, *_together(runs, places, count))
        parts.append(_covered(places, words, size))
    for size in (7, 8, 9, 10):
        places, runs = _longer(places, runs, words.hashes, size)
    places, runs = _repeated(places, runs, *_together(runs, places, count))
    parts.append(_covered(places, words, 10))
    counts = np.diff(words.borders)
    totals = np.diff(words.ends[words.borders])
    for number, total, twice, *covered in zip(
        *(each.tolist() for each in (counts, totals, copies, *parts)), strict=True
    ):
        mean = round(total / number, 4) if number else 0.0
        shares = (min(1.0, share(each, total)) for each in covered)
        yield Repetition(number, mean, share(number - twice, number), *shares)


def _longer(places: Numbers, runs: Numbers, words: Numbers, size: int) -> tuple[Numbers, Numbers]:
    """The places that can start a repeated run of `size` words, given those of one word less, and their hashes."""
    follows = places[1:] == places[:-1] + 1
    places = places[:-1][follows]
    return places, runs[:-1][follows] * _STEP + words[places + (size - 1)]


def _together(runs: Numbers, places: Numbers, count: int) -> tuple[Numbers, Mask]:
    """The places (below `count`) in an order that brings equal runs together, and which equal the one before them.

    Sorting values is several times as fast as sorting indices, so each hash gives its highest bits up for its place.
    """
    bits = count.bit_length()
    keys = (runs << bits) | places
    keys.sort()
    hashes = keys >> bits
    return keys & ((1 << bits) - 1), hashes[1:] == hashes[:-1]


def _repeated(places: Numbers, runs: Numbers, found: Numbers, same: Mask) -> tuple[Numbers, Numbers]:
    """What is left of places and runs where only those stay that occur more than once."""
    if not len(places):
        return places, runs
    mask = np.zeros(int(places[-1]) + 1, np.bool_)
    mask[found[1:][same]] = True
    mask[found[:-1][same]] = True
    keep = mask[places]
    return places[keep], runs[keep]


def _most_frequent(found: Numbers, same: Mask, words: _Words, size: int) -> Numbers:
    """Of each text the characters of its most frequent run, times its occurrences, if there is more than one.

    Of several equally frequent runs the earliest counts.
    """
    starts = np.flatnonzero(np.concatenate(([True], ~same, [True])))
    counts = starts[1:] - starts[:-1]
    firsts = found[starts[:-1][counts > 1]]
    counts = counts[counts > 1]
    texts = words.text_of[firsts]
    most = np.zeros(len(words.borders) - 1, np.int64)
    np.maximum.at(most, texts, counts)
    leading = counts == most[texts]
    first = np.full(len(most), len(words.hashes))
    np.minimum.at(first, texts[leading], firsts[leading])
    first[most == 0] = 0
    characters: Numbers = most * (words.ends[np.minimum(first + size, len(words.hashes))] - words.ends[first])
    return characters


def _covered(places: Numbers, words: _Words, size: int) -> Numbers:
    """Of each text the characters of words that belong to a run of `size` words starting at an (ascending) place."""
    stops = places + size
    np.minimum(stops[:-1], places[1:], out=stops[:-1])
    sums = np.concatenate(([0], (words.ends[stops] - words.ends[places]).cumsum()))
    covered: Numbers = np.diff(sums[np.searchsorted(places, words.borders)])
    return covered


def _words(texts: Sequence[bytes]) -> _Words:
    data = b" ".join(texts)
    letters = np.frombuffer(b" %b " % data.translate(_LETTERS), np.uint8)
    inside = letters != 32
    changes = np.flatnonzero(inside[1:] != inside[:-1])
    begins = changes[::2]
    sizes = changes[1::2] - begins
    ends = np.concatenate(([0], sizes.cumsum()))
    starts_of_texts = np.concatenate(([0], np.cumsum([len(text) + 1 for text in texts])))
    borders = np.searchsorted(begins, starts_of_texts)
    text_of = np.repeat(np.arange(len(texts)), np.diff(borders))
    if not len(sizes):
        return _Words(ends[1:], ends, text_of, borders)
    packed = np.frombuffer(data.translate(_LETTERS, _NO_LETTERS), np.uint8)
    powers, inverses = _powers(1 << len(packed).bit_length())
    starts = ends[:-1]
    hashes = np.add.reduceat(packed * powers[: len(packed)], starts) * inverses[starts] + text_of * _STEP
    hashes = (hashes ^ (hashes >> 32)) * _STEP
    if not data.isascii():
        continuations = ((packed & 0xC0) == 0x80).cumsum()
        ends[1:] -= continuations[ends[1:] - 1]
    return _Words(hashes, ends, text_of, borders)


@cache
def _powers(length: int) -> tuple[Numbers, Numbers]:
    """The first powers of the base and of its inverse, modulo 2**64 as signed numbers."""
    factors = np.full((2, length), [[_BASE], [pow(_BASE, -1, 2**64)]], np.uint64)
    factors[:, 0] = 1
    forward, backward = np.multiply.accumulate(factors, axis=1).view(np.int64)
    return forward, backward
