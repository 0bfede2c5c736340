"""A model on HumanEval-Infilling: generate, run the tests, count; resumable after every problem.

Raw, the model's text counts as it comes, as the benchmark is defined. Through the completion logic it counts as an
editor would insert it: that measures the product, and is not comparable with published figures.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest
from midspan.engine.batch import Journal, Record, run_resumable
from midspan.evaluate.intervals import Interval, mean_interval
from midspan.evaluate.public.humaneval_infilling import PATH, Problem, check, pass_at_k
from midspan.evaluate.systems import RAW
from midspan.recipe.progress import Task


@dataclass(frozen=True)
class Settings:
    """`samples` completions per problem at `temperature` and `top_p`; 0 takes the likeliest token each time."""

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 0.95
    max_new_tokens: int = 256
    raw: bool = True


@dataclass(frozen=True)
class Result:
    """pass@k for each k asked for, with 95 % intervals over functions (one function gives several problems)."""

    problems: int
    samples: int
    timeouts: int
    pass_at: dict[int, Interval]


async def run_problems(
    completer: Completer, problems: Sequence[Problem], settings: Settings, journal: Path, workers: int, task: Task
) -> list[Record]:
    """For each problem, in order, the completions and how each fared. Those in the journal are not made again."""

    async def work(_: str, problem: Problem) -> Record:
        completions = [await _complete(completer, problem, settings, seed) for seed in range(settings.samples)]
        outcomes = [await asyncio.to_thread(check, problem, completion) for completion in completions]
        return {"completions": completions, "verdicts": [outcome.verdict for outcome in outcomes]}

    items = [(problem.id, problem) for problem in problems]
    records = await run_resumable(items, work, Journal(journal), workers, task)
    return [records[problem.id] for problem in problems]


async def _complete(completer: Completer, problem: Problem, settings: Settings, seed: int) -> str:
    request = CompletionRequest(
        PATH,
        problem.prefix,
        problem.suffix,
        caret="block" if settings.raw else "auto",
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=seed,
        skip=RAW if settings.raw else frozenset(),
    )
    return (await completer.complete(request)).text


def summarise(problems: Sequence[Problem], records: Sequence[Record], ks: Sequence[int]) -> Result:
    """The figures of a run; `ks` above the number of samples are left out."""
    samples = len(records[0]["verdicts"])
    passed = [record["verdicts"].count("passed") for record in records]
    functions = [problem.id.rsplit("/", 1)[0] for problem in problems]
    estimates = {k: [pass_at_k(samples, each, k) for each in passed] for k in ks if k <= samples}
    return Result(
        problems=len(problems),
        samples=samples,
        timeouts=sum(record["verdicts"].count("timeout") for record in records),
        pass_at={k: mean_interval(values, functions, seed=0) for k, values in estimates.items()},
    )
