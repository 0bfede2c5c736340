"""Lines, words and tokens of a text as sets of numbers, and how alike two such sets are.

Windows of a file have 20 lines and begin every 10 lines, RepoCoder's sizes (arXiv 2303.12570, section 3).
"""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cache, lru_cache, partial
from hashlib import blake2b
from itertools import pairwise
from typing import Protocol, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from midspan.context.lines import split_lines
from midspan.context.sets import Feature, Items, Sets, sets_of

T = TypeVar("T")

WINDOW_STEP = 10
WINDOW_LINES = 2 * WINDOW_STEP
MAX_LINE_CHARS = 400
"""Of longer (minified) lines only the first characters count in windows."""

WORD = re.compile(r"[^\W\d]\w*")
"""An identifier or keyword in any language; strings and comments consist of words too."""

NUMBERS = 1 << 20
"""Words and tokens are numbers below this, so that a table over all of them is small."""

REMEMBERED = 150_000
"""Words, and pieces of text, whose numbers are remembered: the first ones, since the common ones come early."""

_PIECE = re.compile(r"[\W_]*[^\W_]+|[\W_]+")


class Encoder(Hashable, Protocol):
    """A tokenizer, as far as similarity needs it."""

    fingerprint: str

    @property
    def word_borders(self) -> bool:
        """Whether, in ASCII text, no token reaches over the border from a letter or digit to another character."""
        ...

    def encode(self, text: str) -> Sequence[int]:
        """Token ids of source text."""
        ...


def line_set(lines: Iterable[str]) -> Items:
    """Distinct lines without surrounding blanks, as 64-bit hashes; empty lines say nothing and are left out."""
    distinct = {stripped for line in lines if (stripped := line.strip())}
    hashes = [blake2b(line.encode(errors="surrogatepass"), digest_size=8).digest() for line in distinct]
    return np.unique(np.frombuffer(b"".join(hashes), "<u8"))


def _line_sets(text: str) -> Sets:
    lines = line_set(text.split("\n"))
    return Sets(np.array([len(lines)], np.int32), lines)


class _Remembered(dict[str, T]):
    """What `compute` makes of words or pieces of text, each computed once as long as there is room."""

    def __init__(self, compute: Callable[[str], T]) -> None:
        self.compute = compute

    def __missing__(self, key: str) -> T:
        value = self.compute(key)
        if len(self) < REMEMBERED:
            self[key] = value
        return value


number_of = _Remembered(lambda word: crc32(word.encode(errors="surrogatepass")) % NUMBERS).__getitem__
"""The number of a word: a hash, so two words share one about once in a million pairs."""


def words_of(text: str) -> set[int]:
    """Distinct words, as numbers."""
    return set(map(number_of, set(WORD.findall(text))))


def _word_sets(text: str) -> Sets:
    members = [words_of(step) for step in steps(split_lines(text))]
    return sets_of([set().union(*members), *_pairs(members)])


LINES = Feature("lines", _line_sets)
"""One set: the lines of the file."""
WORDS = Feature("words", _word_sets)
"""First the words of the whole file, then those of each window."""


@cache
def window_tokens(encoder: Encoder) -> Feature:
    """The distinct BPE tokens of each window."""
    return Feature(f"tokens {encoder.fingerprint}", partial(_token_sets, encoder=encoder))


def _token_sets(text: str, encoder: Encoder) -> Sets:
    return sets_of(_pairs([tokens_of(step, encoder) for step in steps(split_lines(text))]))


def tokens_of(text: str, encoder: Encoder) -> set[int]:
    """Distinct BPE tokens of some text.

    Source code repeats its words: where tokens respect word borders each distinct piece is encoded once and remembered,
    which takes about half the time of encoding the text.
    """
    if encoder.word_borders and text.isascii():
        return set().union(*map(_pieces(encoder).__getitem__, set(_PIECE.findall(text))))
    return set(encoder.encode(text))


@lru_cache(maxsize=2)
def _pieces(encoder: Encoder) -> _Remembered[tuple[int, ...]]:
    return _Remembered(lambda piece: tuple(encoder.encode(piece)))


def steps(lines: Sequence[str]) -> list[str]:
    """Text of every WINDOW_STEP lines, overlong lines clipped; a window is two of them."""
    clipped = [line if len(line) <= MAX_LINE_CHARS else line[:MAX_LINE_CHARS] + "\n" for line in lines]
    return ["".join(clipped[start : start + WINDOW_STEP]) for start in range(0, len(lines), WINDOW_STEP)]


def _pairs(members: list[set[int]]) -> list[set[int]]:
    """What each window holds, given what each step holds."""
    return [one | other for one, other in pairwise(members)] if len(members) > 1 else members


def iou(one: Items, other: Items) -> float:
    """Share of the union of two ascending sets that is in both, from 0 to 1; 0 for two empty sets."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - common
    return common / union if union else 0.0


def iou_with_each(query: NDArray[np.uint32], sets: Sets) -> NDArray[np.float32]:  # [sets]
    """IoU of one set with each of many."""
    common = sums(sets, query, np.ones(len(query)))
    return np.asarray(common / np.maximum(sets.sizes + len(query) - common, 1), dtype=np.float32)


def sums(sets: Sets, members: NDArray[np.uint32], values: NDArray[np.float64]) -> NDArray[np.float32]:  # [sets]
    """For each set of numbers below NUMBERS the sum of the values of those `members` it holds.

    Cost: about 1.5 ms per million stored members.
    """
    total = np.zeros(len(sets.sizes), np.float32)
    filled = np.flatnonzero(sets.sizes)
    if len(filled):
        table = np.zeros(NUMBERS, np.float32)
        table[members] = values
        starts = (np.cumsum(sets.sizes) - sets.sizes)[filled]
        total[filled] = np.add.reduceat(table[sets.items], starts)
    return total
