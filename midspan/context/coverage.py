"""The strategy `coverage`: the windows that together hold most of the names the caret is likely to need.

A completion rarely repeats one similar place; it needs names that the current file does not hold yet. So:

1. Files are scored by the words they share with the window around the caret, each word weighing its inverse document
   frequency (BM25's, Robertson and Zaragoza 2009), divided by the square root of the file's number of words. The best
   FILES and those opened or edited lately go on.
2. Their windows are scored in the same way; the best POOL of them are taken as samples of what belongs here, each with
   a relevance: its score relative to the best one, cubed.
3. The worth of a word is the relevance of all windows in the pool that hold it, summed up (a relevance model: Lavrenko
   and Croft 2001), or nothing if the current file has it already.
4. Windows are chosen greedily by the worth of their words per square root of their number; the words of a chosen window
   are worth nothing from then on, so the next one brings others (maximal coverage: Nemhauser et al. 1978).

Words are read off the text, so the strategy needs neither grammar nor tokenizer. What was tried and what it gave, also
in other directions (definitions of names in use, units of syntax instead of windows), is in `docs/experiments.md`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from midspan.context.caret import Caret
from midspan.context.project import Chunk, File, Project
from midspan.context.sets import Sets, join
from midspan.context.similarity import NUMBERS, WINDOW_LINES, WORD, WORDS, number_of, sums, words_of
from midspan.context.windows import Windows, windows_of

FILES = 100
POOL = 400
FILE_SMOOTHING = 50
WINDOW_SMOOTHING = 10
LENGTH_SHARE = 0.4
"""Share of a window's length in its score (BM25's b)."""
SHARPNESS = 3
MAX_OWN_CHARS = 200_000
"""Of the current file, what is looked through for the names it holds, half on each side of the caret."""
NAMES_TOLD = 5


@dataclass(frozen=True)
class _Vocabulary:
    """The words of all files of a project, and in how many files each occurs."""

    files: tuple[File, ...]
    words: Sets
    frequency: NDArray[np.int32]  # [NUMBERS]

    def weights(self, words: NDArray[np.uint32]) -> NDArray[np.float64]:  # [words]
        """Inverse document frequency of each word."""
        found = self.frequency[words]
        return np.asarray(np.log1p((len(self.files) - found + 0.5) / (found + 0.5)), dtype=np.float64)


def by_coverage(project: Project, caret: Caret, room: int) -> Iterator[Chunk]:
    """Windows of other files, the most useful first, until they hold `room` characters."""
    vocabulary = project.once("vocabulary", _vocabulary)
    query = np.array(sorted(words_of("".join(caret.around))), np.uint32)
    weights = vocabulary.weights(query)
    windows = windows_of(project, _files(project, caret, vocabulary, query, weights), WORDS, skip=1)
    if not len(windows.file):
        return
    sizes = windows.sets.sizes
    scores = sums(windows.sets, query, weights) / (1 - LENGTH_SHARE + LENGTH_SHARE * sizes / max(1.0, sizes.mean()))
    pool = np.argsort(-scores, kind="stable")[:POOL]
    pool = pool[scores[pool] > 0]
    if not len(pool):
        return
    pool = np.sort(pool)
    relevance = (scores[pool] / scores[pool].max()) ** SHARPNESS
    own = words_of("".join(caret.above)[-MAX_OWN_CHARS // 2 :]) | words_of("".join(caret.below)[: MAX_OWN_CHARS // 2])
    for index, brought in _greedy(windows, pool, relevance, own):
        if room <= 0:
            return
        path, first, lines = windows.excerpt(project, int(pool[index]))
        text = "".join(lines)
        room -= len(text)
        reason = f"lines {first + 1}-{first + len(lines)} bring {_told(text, brought)}"
        note = caret.note(path, first, first + len(lines))
        yield Chunk(path, text, first, float(relevance[index]), reason + note)


def _vocabulary(project: Project) -> _Vocabulary:
    files = tuple(project.files.values())
    parts = project.features(WORDS, files)
    words = join([Sets(part.sizes[:1], part.items[: part.sizes[0]]) for part in parts])
    counts = np.bincount(words.items, minlength=NUMBERS)
    return _Vocabulary(files, words, counts.astype(np.int32))


def _files(
    project: Project, caret: Caret, vocabulary: _Vocabulary, query: NDArray[np.uint32], weights: NDArray[np.float64]
) -> list[File]:
    """The files to look into, by path."""
    scores = sums(vocabulary.words, query, weights) / np.sqrt(FILE_SMOOTHING + vocabulary.words.sizes)
    ranked = (vocabulary.files[index].path for index in np.argsort(-scores, kind="stable") if scores[index] > 0)
    best = islice((path for path in ranked if path != caret.path), FILES)
    lately = (path for path in caret.lately if path in project.files)
    return [project.files[path] for path in sorted({*best, *lately})]


def _greedy(
    windows: Windows, pool: NDArray[np.int64], relevance: NDArray[np.float64], own: set[int]
) -> Iterator[tuple[int, set[int]]]:
    """(index in the pool, words it brings) of the best window, then of the best one given the first, and so on."""
    sizes = windows.sets.sizes[pool]
    ends = np.cumsum(sizes)
    starts = ends - sizes
    first = (np.cumsum(windows.sets.sizes) - windows.sets.sizes)[pool]
    members = np.repeat(first - starts, sizes) + np.arange(int(ends[-1]))
    words, place = np.unique(windows.sets.items[members], return_inverse=True)
    worth = np.bincount(place, np.repeat(relevance, sizes), len(words))
    worth[np.isin(words, np.fromiter(own, np.uint32, len(own)))] = 0.0
    lengths = np.sqrt(sizes + WINDOW_SMOOTHING)
    free = np.ones(len(pool), np.bool_)
    file, line = windows.file[pool], windows.first_line[pool]
    while free.any():
        gains = np.where(free, np.add.reduceat(worth[place], starts) / lengths, -1.0)
        best = int(np.argmax(gains))
        free &= (file != file[best]) | (np.abs(line - line[best]) >= WINDOW_LINES)
        mine = place[starts[best] : ends[best]]
        yield best, set(words[mine[worth[mine] > 0]].tolist())
        worth[mine] = 0.0


def _told(text: str, brought: set[int]) -> str:
    """The names among `brought`, the first few by name."""
    names = [word for word in dict.fromkeys(WORD.findall(text)) if number_of(word) in brought]
    if not names:
        return "no new name"
    more = len(names) - NAMES_TOLD
    return ", ".join(names[:NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")
