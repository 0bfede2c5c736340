"""What `--cases` names: a benchmark, or a run with the projects that it held out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from midspan.data.cases import Case, Projects
from midspan.data.corpus import CORPUS_FILE, projects
from midspan.errors import MidspanError
from midspan.evaluate.benchmark.format import MANIFEST_FILE, read_benchmark
from midspan.evaluate.cases import CASES_FILE, held_out_cases, read_cases
from midspan.recipe.schema import FimConfig

DRAWN = 500
"""Cases drawn from a run that has not evaluated any itself."""

T = TypeVar("T")


@dataclass(frozen=True)
class CaseSet:
    """Cases with their projects; `name` for people."""

    name: str
    cases: Sequence[Case]
    projects: Projects

    def limited(self, count: int | None) -> "CaseSet":
        """At most `count` cases, evenly chosen."""
        return replace(self, cases=evenly(self.cases, count))


def evenly(items: Sequence[T], count: int | None) -> Sequence[T]:
    """At most `count` of the items, evenly chosen; all for None."""
    if count is None or count >= len(items):
        return items
    return [items[n * len(items) // count] for n in range(count)]


def case_set(named: str, runs: Path) -> CaseSet:
    """The cases of a benchmark's directory, or of a run: those its stage `eval` kept, else new ones.

    Raises MidspanError if `named` is neither.
    """
    folder = next((folder for folder in (runs / named, Path(named)) if folder.is_dir()), None)
    if folder is None:
        raise MidspanError(f"there are no cases {named}: neither a run in {runs} nor a directory", "name one of them")
    if (folder / MANIFEST_FILE).is_file():
        benchmark = read_benchmark(folder)
        return CaseSet(benchmark.manifest.name, benchmark.cases, benchmark.projects)
    corpus = folder / "data"
    if not (corpus / CORPUS_FILE).is_file():
        raise MidspanError(
            f"{folder} is neither a benchmark nor a run with a corpus", "make one with `midspan eval build`"
        )
    kept = folder / "eval" / CASES_FILE
    cases = read_cases(kept) if kept.is_file() else held_out_cases(corpus, DRAWN, FimConfig(), seed=0)
    return CaseSet(folder.resolve().name, cases, lambda: projects(corpus, "test"))
