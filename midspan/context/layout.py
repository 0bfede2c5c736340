"""Where the files of a project lie: all of them in the order of directory steps from a directory, without sorting all.

A step is one directory up or down, as in a breadth-first walk of the tree. Only as many directories are visited as the
caller takes files from, so the cost does not depend on the size of the project.
"""

from collections.abc import Iterable, Iterator
from heapq import merge


def directory_of(path: str) -> str:
    """Directory of a posix path, "" at the root."""
    return path.rpartition("/")[0]


def directory_steps(one: str, other: str) -> int:
    """Steps up and down the tree between two directories: the depth at which a breadth-first walk finds the other."""
    ours, theirs = (directory.split("/") if directory else [] for directory in (one, other))
    common = 0
    while common < min(len(ours), len(theirs)) and ours[common] == theirs[common]:
        common += 1
    return len(ours) + len(theirs) - 2 * common


class Layout:
    """The directories of a project, what is in them, and what is below them."""

    def __init__(self, paths: Iterable[str]) -> None:
        """`paths` are in order."""
        self.inside: dict[str, list[str]] = {}
        below: dict[str, set[str]] = {}
        for path in paths:
            directory = directory_of(path)
            if directory not in self.inside:
                self.inside[directory] = []
                while directory and directory not in below.setdefault(directory_of(directory), set()):
                    below[directory_of(directory)].add(directory)
                    directory = directory_of(directory)
            self.inside[directory_of(path)].append(path)
        self._below = {directory: sorted(children) for directory, children in below.items()}

    def outwards(self, directory: str) -> Iterator[tuple[int, str]]:
        """(steps, path) of all files in the order of directory steps from `directory`, those equally far by path."""
        level, seen, steps = [directory], {directory}, 0
        while level:
            for path in merge(*(self.inside.get(each, ()) for each in level)):
                yield steps, path
            following: list[str] = []
            for each in level:
                for neighbour in (*((directory_of(each),) if each else ()), *self._below.get(each, ())):
                    if neighbour not in seen:
                        seen.add(neighbour)
                        following.append(neighbour)
            level, steps = following, steps + 1
