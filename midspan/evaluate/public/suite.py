"""What public benchmarks have in common: files to get, rows with a gap in them, and a way to judge what fills it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from midspan.context.project import File, Project
from midspan.errors import MidspanError
from midspan.evaluate.public.files import benchmark_file, rows

Scores = dict[str, float | None]
"""Shares from 0 to 1 by name of the metric; None where nothing can be said."""


@dataclass(frozen=True)
class Gap:
    """A place to fill. `group` is what belongs together, such as a repository; `part` is what figures are given for."""

    id: str
    group: str
    part: str
    language: str
    path: str
    prefix: str
    suffix: str
    truth: str
    context: tuple[tuple[str, str], ...] = ()
    """Path and text of other files of the project."""

    def project(self) -> Project | None:
        """The other files, None if there are none."""
        texts: dict[str, str] = {}
        for path, text in self.context:
            texts[path] = f"{texts[path]}\n{text}" if path in texts else text
        return Project.of(self.group, [File(path, text) for path, text in texts.items()]) if texts else None


G = TypeVar("G", bound=Gap)


@dataclass(frozen=True)
class Suite(Generic[G]):
    """A benchmark. `files` are its sets by name, with the file of each; `origin` is where they are to be had.

    `gap` makes a problem of a row, None if the row belongs to another set; `judge` takes the model's text as it comes,
    cuts it as the benchmark does, and scores it.
    """

    name: str
    title: str
    origin: str
    files: Mapping[str, str]
    gap: Callable[[str, dict[str, Any]], G | None]
    judge: Callable[[G, str], Scores]

    def gaps(self, subset: str, given: Path | None = None) -> Iterator[G]:
        """The problems of a set, from `given` (a file, or the folder it is in) or the cache.

        Raises MidspanError for a set, or a file, that is none of the benchmark's.
        """
        if subset not in self.files:
            raise MidspanError(f"{self.name} has no set {subset}", f"it has {', '.join(self.files)}")
        path = benchmark_file(self.name, self.files[subset], self.origin, given)
        for row in rows(path):
            try:
                gap = self.gap(subset, row)
            except (KeyError, TypeError, ValueError) as error:
                raise MidspanError(
                    f"{path} is no file of {self.name}: {type(error).__name__}: {error}",
                    f"get {self.files[subset]} from {self.origin}",
                ) from None
            if gap is not None:
                yield gap
