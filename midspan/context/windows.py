"""The windows of many files as one array each, and how windows become chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midspan.context.lines import split_lines
from midspan.context.project import File, Project
from midspan.context.sets import Feature, Sets, join
from midspan.context.similarity import WINDOW_LINES, WINDOW_STEP


@dataclass(frozen=True)
class Windows:
    """The windows of some files, file after file, those of one file from top to bottom."""

    files: tuple[File, ...]
    file: NDArray[np.int32]  # [windows] index of the file
    first_line: NDArray[np.int32]  # [windows]
    sets: Sets

    @property
    def nbytes(self) -> int:
        """Bytes the arrays take."""
        return self.file.nbytes + self.first_line.nbytes + self.sets.nbytes

    def of(self, path: str) -> NDArray[np.bool_]:  # [windows]
        """Which windows belong to the file `path`."""
        place = next((index for index, file in enumerate(self.files) if file.path == path), -1)
        return np.asarray(self.file == place, np.bool_)

    def excerpt(self, project: Project, window: int) -> tuple[str, int, list[str]]:
        """Path, first line and lines of one window."""
        file, first = self.files[self.file[window]], int(self.first_line[window])
        lines = project.scratch.recall(("split", file.digest), lambda: split_lines(file.text), lambda _: 2 * file.size)
        return file.path, first, lines[first : first + WINDOW_LINES]


def windows_of(project: Project, files: Sequence[File], feature: Feature, skip: int = 0) -> Windows:
    """Windows of all `files`, with what `feature` says of them; its first `skip` sets are not of windows."""
    chosen = tuple(files)

    def joined() -> Windows:
        parts = [part.without(skip) for part in project.features(feature, chosen)]
        counts = [len(part.sizes) for part in parts]
        starts = [np.arange(count, dtype=np.int32) * WINDOW_STEP for count in counts]
        return Windows(
            chosen,
            np.repeat(np.arange(len(parts), dtype=np.int32), counts),
            np.concatenate(starts or [np.zeros(0, np.int32)]),
            join(parts),
        )

    return project.scratch.recall(("windows", feature.name, chosen), joined, lambda windows: windows.nbytes)


def apart(windows: Windows, order: Iterator[int]) -> Iterator[int]:
    """The windows of `order` without those that overlap an earlier one."""
    taken: dict[int, list[int]] = {}
    for window in order:
        file, first = int(windows.file[window]), int(windows.first_line[window])
        if all(abs(first - other) >= WINDOW_LINES for other in taken.get(file, ())):
            taken.setdefault(file, []).append(first)
            yield window
