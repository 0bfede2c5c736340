"""HumanEval-Infilling (Bavarian et al. 2022, arXiv 2207.14255): fill a gap in a Python function, judged by unit tests.

A completion counts as it was generated, without any cutting, when `prompt + completion + suffix` passes the function's
tests within three seconds. pass@k is the unbiased estimate over n completions (Chen et al. 2021, arXiv 2107.03374).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import comb
from pathlib import Path

from midspan.errors import MidspanError
from midspan.evaluate.public.files import benchmark_file, json_lines
from midspan.evaluate.sandbox.run import Limits, Outcome, run_python

NAME = "humaneval-infilling"
ORIGIN = "https://github.com/openai/human-eval-infilling/tree/master/data"
SETS: Mapping[str, str] = {
    "single-line": "HumanEval-SingleLineInfilling.jsonl.gz",
    "multi-line": "HumanEval-MultiLineInfilling.jsonl.gz",
    "random-span": "HumanEval-RandomSpanInfilling.jsonl.gz",
    "random-span-light": "HumanEval-RandomSpanInfillingLight.jsonl.gz",
}
LIMITS = Limits(seconds=3.0)
PATH = "solution.py"
"""What the prompt calls the file; the benchmark names none."""
_FIELDS = ("task_id", "prompt", "suffix", "canonical_solution", "test", "entry_point")


@dataclass(frozen=True)
class Problem:
    """A function with a gap; `truth` is what stood there."""

    id: str
    prefix: str
    suffix: str
    truth: str
    test: str
    entry_point: str


def problems(subset: str, given: Path | None = None) -> Iterator[Problem]:
    """The problems of a set of `SETS`, from `given` or the cache. Raises MidspanError if the file is not the set's."""
    path = benchmark_file(NAME, SETS[subset], ORIGIN, given)
    for row in json_lines(path):
        try:
            yield Problem(*(str(row[field]) for field in _FIELDS))
        except KeyError as error:
            raise MidspanError(
                f"{path} is no file of {NAME}: it has no {error}", f"get {SETS[subset]} from {ORIGIN}"
            ) from None


def check(problem: Problem, completion: str) -> Outcome:
    """Run the unit tests over the function with `completion` in its gap."""
    function = problem.prefix + completion + problem.suffix
    return run_python(f"{function}\n{problem.test}\ncheck({problem.entry_point})", LIMITS)


def pass_at_k(completions: int, passed: int, k: int) -> float:
    """Probability that of `k` completions drawn from `completions`, of which `passed` pass, at least one does."""
    return 1.0 - comb(completions - passed, k) / comb(completions, k)
