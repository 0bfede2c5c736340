"""Files as overlapping windows of lines, each with the set of its BPE tokens, kept in flat arrays.

Windows have 20 lines and begin every 10 lines, RepoCoder's sizes (arXiv 2303.12570, section 3). Encoding is the cost:
about a second for a few hundred files. So it is done once per file and tokenizer and remembered by the project; a query
afterwards is a scan over the arrays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from midspan.context.lines import split_lines
from midspan.context.memory import Memory
from midspan.context.project import File

WINDOW_STEP = 10
WINDOW_LINES = 2 * WINDOW_STEP
MAX_LINE_CHARS = 400

Encode = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class Windows:
    """The windows of some files, file after file, those of one file from top to bottom."""

    file: NDArray[np.int32]  # [windows] index of the file
    first_line: NDArray[np.int32]  # [windows]
    sizes: NDArray[np.int64]  # [windows] number of distinct tokens
    tokens: NDArray[np.int32]  # [sum of sizes] distinct tokens of window after window

    @property
    def nbytes(self) -> int:
        """Bytes the arrays take."""
        return self.file.nbytes + self.first_line.nbytes + self.sizes.nbytes + self.tokens.nbytes


def windows_of(files: tuple[File, ...], encode: Encode, memory: Memory) -> Windows:
    """Windows of all `files`, from memory where they were seen before."""

    def join() -> Windows:
        parts = [_remembered(file, encode, memory) for file in files]
        return Windows(
            np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.sizes) for part in parts]),
            np.concatenate([part.first_line for part in parts] or [np.zeros(0, np.int32)]),
            np.concatenate([part.sizes for part in parts] or [np.zeros(0, np.int64)]),
            np.concatenate([part.tokens for part in parts] or [np.zeros(0, np.int32)]),
        )

    return memory.recall(("joined windows", encode, files), join, _nbytes)


def _remembered(file: File, encode: Encode, memory: Memory) -> Windows:
    return memory.recall(("windows", encode, file), lambda: file_windows(file, encode), _nbytes)


def file_windows(file: File, encode: Encode) -> Windows:
    """Windows of one file; an empty file has none."""
    lines = split_lines(file.text)
    # A window is two steps long, so each step is encoded once and belongs to two windows.
    steps = [token_set(lines[start : start + WINDOW_STEP], encode) for start in range(0, len(lines), WINDOW_STEP)]
    sets = [np.union1d(one, other) for one, other in pairwise(steps)] if len(steps) > 1 else steps
    return Windows(
        np.zeros(len(sets), np.int32),
        np.arange(len(sets), dtype=np.int32) * WINDOW_STEP,
        np.array([len(tokens) for tokens in sets], np.int64),
        np.concatenate(sets or [np.zeros(0, np.int32)]),
    )


def token_set(lines: list[str], encode: Encode) -> NDArray[np.int32]:
    """Distinct tokens of some lines in ascending order; minified lines count with their first characters only."""
    text = "".join(line if len(line) <= MAX_LINE_CHARS else line[:MAX_LINE_CHARS] + "\n" for line in lines)
    return np.unique(np.array(encode(text), dtype=np.int32))


def _nbytes(windows: Windows) -> int:
    return windows.nbytes
