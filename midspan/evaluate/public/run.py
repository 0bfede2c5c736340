"""A model on a public benchmark: generate, judge, count; resumable after every problem.

Raw, the model's text counts as it comes, as the benchmark is defined. Through the completion logic it counts as an
editor would insert it: that measures the product, and is not comparable with published figures.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest
from midspan.context.project import Project
from midspan.engine.batch import Journal, Record, run_resumable
from midspan.evaluate.intervals import Interval, mean_interval
from midspan.evaluate.public.humaneval_infilling import PATH, Problem, check, pass_at_k
from midspan.evaluate.public.suite import G, Gap, Suite
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


@dataclass(frozen=True)
class Part:
    """The figures of a part of a benchmark, with 95 % intervals over what belongs together, such as repositories.

    `problems` are those that could be judged, by metric.
    """

    name: str
    problems: dict[str, int]
    scores: dict[str, Interval]


async def run_suite(
    completer: Completer,
    suite: Suite[G],
    gaps: Sequence[G],
    settings: Settings,
    journal: Path,
    workers: int,
    task: Task,
) -> list[Record]:
    """For each problem, in order, the completions and their scores. Those in the journal are not made again."""

    async def work(_: str, gap: G) -> Record:
        asked = Asked(gap.path, gap.prefix, gap.suffix, gap.project())
        completions = [await _complete(completer, asked, settings, seed) for seed in range(settings.samples)]
        scores = [await asyncio.to_thread(suite.judge, gap, completion) for completion in completions]
        return {"completions": completions, "scores": scores}

    records = await run_resumable([(gap.id, gap) for gap in gaps], work, Journal(journal), workers, task)
    return [records[gap.id] for gap in gaps]


def parts_of(gaps: Sequence[Gap], records: Sequence[Record]) -> list[Part]:
    """The figures of each part, and of all under the name "all" if there are several; samples are averaged."""
    names = sorted({gap.part for gap in gaps})
    found = []
    for name in [*names, "all"] if len(names) > 1 else names:
        values: dict[str, list[tuple[float, str]]] = {}
        for gap, record in zip(gaps, records, strict=True):
            if name in (gap.part, "all"):
                for metric in record["scores"][0]:
                    known = [scores[metric] for scores in record["scores"] if scores[metric] is not None]
                    if known:
                        values.setdefault(metric, []).append((sum(known) / len(known), gap.group))
        scores = {
            metric: mean_interval([value for value, _ in each], [group for _, group in each], seed=0)
            for metric, each in values.items()
        }
        found.append(Part(name, {metric: len(each) for metric, each in values.items()}, scores))
    return found


async def run_problems(
    completer: Completer, problems: Sequence[Problem], settings: Settings, journal: Path, workers: int, task: Task
) -> list[Record]:
    """For each problem, in order, the completions and how each fared. Those in the journal are not made again."""

    async def work(_: str, problem: Problem) -> Record:
        asked = Asked(PATH, problem.prefix, problem.suffix)
        completions = [await _complete(completer, asked, settings, seed) for seed in range(settings.samples)]
        outcomes = [await asyncio.to_thread(check, problem, completion) for completion in completions]
        return {"completions": completions, "verdicts": [outcome.verdict for outcome in outcomes]}

    items = [(problem.id, problem) for problem in problems]
    records = await run_resumable(items, work, Journal(journal), workers, task)
    return [records[problem.id] for problem in problems]


class Asked(NamedTuple):
    """What a model is shown of a problem."""

    path: str
    prefix: str
    suffix: str
    project: Project | None = None


async def _complete(completer: Completer, asked: Asked, settings: Settings, seed: int) -> str:
    request = CompletionRequest(
        *asked,
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
