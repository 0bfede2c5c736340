"""Fingerprints of text: hashes of its character grams, and of these the few that winnowing chooses.

Text is compared without white space and in lower case. A *gram* is `GRAM` characters (UTF-8 bytes) in a row; its hash
is a polynomial over them, modulo 2^64. Winnowing (Schleimer, Wilkerson and Aiken, SIGMOD 2003) keeps the smallest hash
of every `WINDOW` grams in a row: two texts that share `GUARANTEE` characters share a kept hash, and about one gram in
33 is kept.

Cost: about 60 MB/s on one core, in numpy; eight bytes of memory per byte of the text in hand.
"""

import numpy as np
import numpy.typing as npt

GRAM = 32
WINDOW = 64
GUARANTEE = GRAM + WINDOW - 1
"""Characters other than white space: a shared run of so many is never missed."""

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]

_BASE = 0x9E3779B97F4A7C15
_MIX = np.uint64(0xD6E8FEB86659FD93)
_LOWER = np.array([code + 32 if 65 <= code <= 90 else code for code in range(256)], np.uint8)
_KEPT = np.array([chr(code) not in " \t\n\r\f\v" for code in range(256)])


def normalised(text: str) -> Bytes:
    """The text as UTF-8 bytes without white space, ASCII letters in lower case."""
    data = np.frombuffer(text.encode(), np.uint8)
    normal: Bytes = _LOWER[data[_KEPT[data]]]
    return normal


def places(text: str) -> npt.NDArray[np.int64]:
    """For each byte of the normalised text the byte of the text it came from."""
    return np.flatnonzero(_KEPT[np.frombuffer(text.encode(), np.uint8)])


def gram_hashes(normal: Bytes) -> Hashes:
    """The hash of the gram at each place of a normalised text; none if it is shorter than a gram."""
    if len(normal) < GRAM:
        return np.zeros(0, np.uint64)
    hashes: Hashes = normal.astype(np.uint64) + np.uint64(1)
    size = 1
    while size < GRAM:
        hashes = hashes[:-size] * np.uint64(pow(_BASE, size, 1 << 64)) + hashes[size:]
        size *= 2
    hashes ^= hashes >> np.uint64(32)
    hashes *= _MIX
    hashes ^= hashes >> np.uint64(29)
    return hashes


def winnow(hashes: Hashes) -> Hashes:
    """The distinct hashes that winnowing keeps, sorted; of fewer than `WINDOW` grams the smallest."""
    if not len(hashes):
        return hashes
    least, size = hashes, 1
    while size < WINDOW:
        if len(least) <= size:
            return np.unique(hashes)[:1]
        least = np.minimum(least[:-size], least[size:])
        size *= 2
    changes = np.flatnonzero(least[1:] != least[:-1])
    return np.unique(np.concatenate([least[:1], least[changes + 1]]))


def fingerprints(text: str) -> Hashes:
    """The hashes by which a text is found."""
    return winnow(gram_hashes(normalised(text)))
