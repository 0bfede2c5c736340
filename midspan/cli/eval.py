"""`midspan eval RECIPE` and the public benchmarks beside it: `midspan eval humaneval-infilling`."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from midspan.cli import eval_compare, eval_run
from midspan.cli.models import choose_model
from midspan.cli.options import DEFAULT_RUNS, FamilyOption, JsonOption, ModelOption, RunsOption, TokenizerOption
from midspan.cli.stage_group import stage_group
from midspan.context.store import default_cache
from midspan.engine.locate import locate
from midspan.engine.open import is_remote, open_engine
from midspan.engine.protocol import Engine
from midspan.recipe.progress import Progress

if TYPE_CHECKING:
    from midspan.evaluate.public.humaneval_infilling import Problem
    from midspan.evaluate.public.run import Result, Settings

KS = (1, 10, 100)
WORKERS = 2


class Subset(StrEnum):
    """Which gaps: one line, several lines, or any span."""

    SINGLE_LINE = "single-line"
    MULTI_LINE = "multi-line"
    RANDOM_SPAN = "random-span"
    RANDOM_SPAN_LIGHT = "random-span-light"


def register(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = stage_group("eval")
    group.command("run")(eval_run.run)
    group.command("compare")(eval_compare.compare)
    group.command("ablate")(eval_compare.ablate)
    group.command("humaneval-infilling")(_humaneval_infilling)
    app.add_typer(group, name="eval", rich_help_panel="Build")


def _humaneval_infilling(
    subset: Annotated[Subset, typer.Argument(help="Which gaps.")] = Subset.SINGLE_LINE,
    model: ModelOption = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="PATH", help="The benchmark's file, or its folder; needed once.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Completions per problem.")] = 1,
    temperature: Annotated[float, typer.Option("--temperature", min=0, help="0: the likeliest tokens.")] = 0.0,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest completion.")] = 256,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only so many problems, evenly chosen.")] = None,
    logic: Annotated[
        bool, typer.Option("--logic", help="Through the completion logic, not the model's text as it comes.")
    ] = False,
    tokenizer: TokenizerOption = None,
    family: FamilyOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Fill gaps in Python functions and run their tests (HumanEval-Infilling): pass@k of a model.

    The programs run confined: no network, no other processes, no files but their own. The same command goes on after
    an interruption.
    """
    from midspan.evaluate.public.humaneval_infilling import problems
    from midspan.evaluate.public.run import Settings

    chosen = choose_model(model, runs)
    found = _evenly(list(problems(subset.value, data)), limit)
    settings = Settings(samples, temperature, max_new_tokens=max_new_tokens, raw=not logic)
    opening = partial(open_engine, chosen, runs=runs, slots=WORKERS, tokenizer=tokenizer, family=family)
    identity = [subset.value, chosen, _stamps(chosen, runs), asdict(settings)]
    result = asyncio.run(_run(f"{subset.value} {chosen}", opening, found, settings, identity))
    if json_:
        typer.echo(json.dumps({"model": chosen, "set": subset.value, "settings": asdict(settings), **asdict(result)}))
        return
    how = "through the completion logic" if logic else "as generated"
    typer.echo(f"{chosen} on HumanEval-Infilling {subset.value}, {how}")
    typer.echo(f"{result.problems:,} problems, {result.samples} completions each")
    for k, figure in result.pass_at.items():
        typer.echo(f"pass@{k}: {figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}]")
    typer.echo(f"timeouts: {result.timeouts}")


def _evenly(problems: "list[Problem]", limit: int | None) -> "list[Problem]":
    if limit is None or limit >= len(problems):
        return problems
    return [problems[number * len(problems) // limit] for number in range(limit)]


def _stamps(model: str, runs: Path) -> list[tuple[int, int]]:
    """Sizes and times of the model's files: another model under the same name is another model."""
    if is_remote(model):
        return []
    path = locate(model, runs).path
    stats = [file.stat() for file in sorted([path] if path.is_file() else path.iterdir())]
    return [(stat.st_size, stat.st_mtime_ns) for stat in stats]


async def _run(
    title: str,
    opening: Callable[[], Awaitable[Engine]],
    problems: "list[Problem]",
    settings: "Settings",
    identity: list[Any],
) -> "Result":
    from midspan.complete.completer import Completer
    from midspan.evaluate.public.run import run_problems, summarise

    engine = await opening()
    try:
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        journal = default_cache() / "eval" / f"{key[:16]}.jsonl"
        journal.parent.mkdir(parents=True, exist_ok=True)
        with Progress().task(title, len(problems)) as task:
            records = await run_problems(Completer(engine, pin=False), problems, settings, journal, WORKERS, task)
    finally:
        await engine.close()
    return summarise(problems, records, KS)
