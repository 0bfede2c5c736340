"""How much of a text repeats itself: Gopher's measures (arXiv 2112.11446, table A1) in the form RedPajama gives them.

A word is a run of ASCII letters and digits and of characters beyond ASCII; upper and lower case of ASCII are the same.
Words and runs of n words are compared by 64-bit hashes, so all is a few passes of NumPy over the bytes. A longer run
occurs twice only where the shorter ones at its two ends do: each length looks only at what the one before it left.

What duplicated runs cover shrinks with their length, so of Gopher's lengths 5 to 10 those are measured whose published
thresholds differ (OpenCoder: 5 words 0.8, 6 to 9 words 0.7, 10 words 0.6): 7 to 9 cannot speak before 6 does.

Cost: about 0.2 ms and then 35 MB/s; 22 MB/s on files of 14 kB.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from midspan.data.filters.characters import share

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


def repetition(data: bytes) -> Repetition:
    """Measure a text given as UTF-8."""
    words, ends = _words(data)
    count, total = len(words), int(ends[-1])
    places = np.arange(count)
    found, same = _together(words, places, count)
    unique = count - int(np.count_nonzero(same))
    places, runs = _repeated(places, words, found, same)
    shares = []
    for size in (2, 3, 4):
        places, runs = _longer(places, runs, words, size)
        found, same = _together(runs, places, count)
        shares.append(_top_share(found, same, ends, size))
        places, runs = _repeated(places, runs, found, same)
    for size in (5, 6):
        places, runs = _longer(places, runs, words, size)
        places, runs = _repeated(places, runs, *_together(runs, places, count))
        shares.append(_covered_share(places, ends, size))
    for size in (7, 8, 9, 10):
        places, runs = _longer(places, runs, words, size)
    places, runs = _repeated(places, runs, *_together(runs, places, count))
    shares.append(_covered_share(places, ends, 10))
    mean = round(total / count, 4) if count else 0.0
    return Repetition(count, mean, share(unique, count), *shares)


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


def _top_share(found: Numbers, same: Mask, ends: Numbers, size: int) -> float:
    """The share of the most frequent run if it occurs twice; of several equally frequent the earliest counts."""
    if not same.any():
        return 0.0
    starts = np.flatnonzero(np.concatenate(([True], ~same, [True])))
    counts = starts[1:] - starts[:-1]
    most = int(counts.max())
    first = int(found[starts[:-1][counts == most]].min())
    return min(1.0, share(most * int(ends[first + size] - ends[first]), int(ends[-1])))


def _covered_share(places: Numbers, ends: Numbers, size: int) -> float:
    """The share of all words that belong to a run of `size` words starting at one of the (ascending) places."""
    stops = places + size
    np.minimum(stops[:-1], places[1:], out=stops[:-1])
    return share(int((ends[stops] - ends[places]).sum()), int(ends[-1]))


def _words(data: bytes) -> tuple[Numbers, Numbers]:
    """The hash of each word, and how many characters all words up to each border have, 0 at first."""
    letters = np.frombuffer(b" %b " % data.translate(_LETTERS), np.uint8)
    inside = letters != 32
    borders = np.flatnonzero(inside[1:] != inside[:-1])
    sizes = borders[1::2] - borders[::2]
    ends = np.concatenate(([0], sizes.cumsum()))
    if not len(sizes):
        return ends[1:], ends
    packed = np.frombuffer(data.translate(_LETTERS, _NO_LETTERS), np.uint8)
    powers, inverses = _powers(1 << len(packed).bit_length())
    starts = ends[:-1]
    hashes = np.add.reduceat(packed * powers[: len(packed)], starts) * inverses[starts]
    hashes = (hashes ^ (hashes >> 32)) * _STEP
    if not data.isascii():
        continuations = ((packed & 0xC0) == 0x80).cumsum()
        ends[1:] -= continuations[ends[1:] - 1]
    return hashes, ends


@cache
def _powers(length: int) -> tuple[Numbers, Numbers]:
    """The first powers of the base and of its inverse, modulo 2**64 as signed numbers."""
    factors = np.full((2, length), [[_BASE], [pow(_BASE, -1, 2**64)]], np.uint64)
    factors[:, 0] = 1
    forward, backward = np.multiply.accumulate(factors, axis=1).view(np.int64)
    return forward, backward
