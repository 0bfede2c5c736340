"""A project as context sees it: the text files of one source tree, by path.

A project is a value. An edited file gives a new project (`replace`) that shares the memory of what was computed per
file, so nothing is computed twice for the files that stayed the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType

from midspan.context.memory import Memory
from midspan.context.walk import DEFAULT_MAX_BYTES, read_tree

DIRECTORIES_REMEMBERED = 64


@dataclass(frozen=True)
class File:
    """One text file; `path` is posix style and relative to the project's root."""

    path: str
    text: str


@dataclass(frozen=True)
class Chunk:
    """Lines of a file chosen as context, `first_line` counted from 0; `reason` is a sentence for the user."""

    path: str
    text: str
    first_line: int
    score: float
    reason: str


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


class Project:
    """Files sorted by path; `skipped` counts what `read` left out, by reason."""

    def __init__(self, name: str, files: Mapping[str, File], skipped: Mapping[str, int], memory: Memory) -> None:
        self.name = name
        self.files: Mapping[str, File] = MappingProxyType(dict(sorted(files.items())))
        self.skipped: Mapping[str, int] = MappingProxyType(dict(skipped))
        self.memory = memory
        # Not over a method: a project that refers to itself would stay in memory until the garbage collector comes.
        self.by_distance = lru_cache(maxsize=DIRECTORIES_REMEMBERED)(partial(_by_distance, self.files))

    @classmethod
    def of(cls, name: str, files: Iterable[File]) -> "Project":
        """A project of the given files; of two with the same path the last one counts."""
        return cls(name, {file.path: file for file in files}, {}, Memory())

    @classmethod
    def read(cls, root: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> "Project":
        """The text files below `root` that no ignore file excludes, named after the folder; see `walk` for the rules.

        MidspanError if `root` is not a directory.
        """
        texts, skipped = read_tree(root, max_bytes)
        return cls(root.resolve().name, {path: File(path, text) for path, text in texts.items()}, skipped, Memory())

    def replace(self, path: str, text: str | None) -> "Project":
        """The project after `path` got a new text, or was removed if `text` is None."""
        files = {known: file for known, file in self.files.items() if known != path}
        if text is not None:
            files[path] = File(path, text)
        return Project(self.name, files, self.skipped, self.memory)


def _by_distance(files: Mapping[str, File], directory: str) -> tuple[File, ...]:
    """All files in the order of directory steps from `directory`, those equally far away by path."""
    steps = {other: directory_steps(directory, other) for other in {directory_of(path) for path in files}}
    return tuple(sorted(files.values(), key=lambda file: (steps[directory_of(file.path)], file.path)))
