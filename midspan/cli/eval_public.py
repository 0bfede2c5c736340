"""The public benchmarks of `midspan eval`: humaneval-infilling, safim, repobench, crosscodeeval, santacoder-fim."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from midspan.cli.models import choose_model
from midspan.cli.options import DEFAULT_RUNS, FamilyOption, JsonOption, ModelOption, RunsOption, TokenizerOption
from midspan.cli.tables import console
from midspan.context.store import default_cache
from midspan.engine.batch import Record
from midspan.engine.locate import content_digest, locate
from midspan.engine.open import is_remote, open_engine
from midspan.recipe.progress import Progress, Task

if TYPE_CHECKING:
    from midspan.complete.completer import Completer
    from midspan.evaluate.public.run import Part, Settings
    from midspan.evaluate.public.suite import Suite

KS = (1, 10, 100)
WORKERS = 2

DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="PATH", help="The benchmark's file, or its folder; needed once.")
]
SamplesOption = Annotated[int, typer.Option("--samples", min=1, help="Completions per problem.")]
TemperatureOption = Annotated[float, typer.Option("--temperature", min=0, help="0: the likeliest tokens.")]
MaxNewTokensOption = Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest completion.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Only so many problems, evenly chosen.")]
LogicOption = Annotated[
    bool, typer.Option("--logic", help="Through the completion logic, not the model's text as it comes.")
]


class Subset(StrEnum):
    """Which gaps: one line, several lines, or any span."""

    SINGLE_LINE = "single-line"
    MULTI_LINE = "multi-line"
    RANDOM_SPAN = "random-span"
    RANDOM_SPAN_LIGHT = "random-span-light"


def _humaneval_infilling(
    subset: Annotated[Subset, typer.Argument(help="Which gaps.")] = Subset.SINGLE_LINE,
    model: ModelOption = None,
    data: DataOption = None,
    samples: SamplesOption = 1,
    temperature: TemperatureOption = 0.0,
    max_new_tokens: MaxNewTokensOption = 256,
    limit: LimitOption = None,
    logic: LogicOption = False,
    tokenizer: TokenizerOption = None,
    family: FamilyOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Fill gaps in Python functions and run their tests (HumanEval-Infilling): pass@k of a model.

    The programs run confined: no network, no other processes, no files but their own. The same command goes on after
    an interruption.
    """
    from midspan.evaluate.case_sets import evenly
    from midspan.evaluate.public.humaneval_infilling import problems
    from midspan.evaluate.public.run import Settings, run_problems, summarise

    chosen = choose_model(model, runs)
    found = evenly(list(problems(subset.value, data)), limit)
    settings = Settings(samples, temperature, max_new_tokens=max_new_tokens, raw=not logic)
    opening = partial(open_engine, chosen, runs=runs, slots=WORKERS, tokenizer=tokenizer, family=family)

    def work(completer: "Completer", journal: Path, task: Task) -> Awaitable[list[Record]]:
        return run_problems(completer, found, settings, journal, WORKERS, task)

    identity = [subset.value, chosen, _digest(chosen, runs), asdict(settings)]
    result = summarise(found, asyncio.run(_run(f"{subset.value} {chosen}", len(found), opening, work, identity)), KS)
    if json_:
        typer.echo(json.dumps({"model": chosen, "set": subset.value, "settings": asdict(settings), **asdict(result)}))
        return
    typer.echo(f"{chosen} on HumanEval-Infilling {subset.value}, {_how(logic)}")
    typer.echo(f"{result.problems:,} problems, {result.samples} completions each")
    for k, figure in result.pass_at.items():
        typer.echo(f"pass@{k}: {figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}]")
    typer.echo(f"timeouts: {result.timeouts}")


def _command(
    load: "Callable[[], Suite[Any]]", about: str, sets: str, default: str, max_new_tokens: int, temperature: float = 0.0
) -> Callable[..., None]:
    """The command that runs a suite; `about` is its help, the rest are its sets and the defaults."""
    longest, warmth = max_new_tokens, temperature

    def command(
        subset: Annotated[str, typer.Argument(metavar="SET", help=sets)] = default,
        model: ModelOption = None,
        data: DataOption = None,
        samples: SamplesOption = 1,
        temperature: TemperatureOption = warmth,
        max_new_tokens: MaxNewTokensOption = longest,
        limit: LimitOption = None,
        logic: LogicOption = False,
        tokenizer: TokenizerOption = None,
        family: FamilyOption = None,
        runs: RunsOption = DEFAULT_RUNS,
        json_: JsonOption = False,
    ) -> None:
        from midspan.evaluate.public.run import Settings

        suite = load()
        settings = Settings(samples, temperature, max_new_tokens=max_new_tokens, raw=not logic)
        _suite(suite, subset, data, limit, settings, model, tokenizer, family, runs, json_)

    command.__doc__ = about
    return command


def _safim() -> "Suite[Any]":
    from midspan.evaluate.public.safim import SAFIM

    return SAFIM


def _repobench() -> "Suite[Any]":
    from midspan.evaluate.public.repobench import REPOBENCH

    return REPOBENCH


def _crosscodeeval() -> "Suite[Any]":
    from midspan.evaluate.public.crosscodeeval import CROSSCODEEVAL

    return CROSSCODEEVAL


def _santacoder_fim() -> "Suite[Any]":
    from midspan.evaluate.public.santacoder_fim import SANTACODER_FIM

    return SANTACODER_FIM


COMMANDS: Mapping[str, Callable[..., None]] = {
    "humaneval-infilling": _humaneval_infilling,
    "safim": _command(
        _safim,
        "Complete blocks, control expressions and API calls (SAFIM): share that passes tests, or matches the call.\n\n"
        "Programs in Python run confined; of those in Java, C++ and C# only the share that equals the truth is given.",
        sets="block, control or api.",
        default="block",
        max_new_tokens=256,
    ),
    "repobench": _command(
        _repobench,
        "Write the next line, given snippets of other files (RepoBench v1.1): EM and edit similarity by length.",
        sets="python or java, then -cross-file-first, -cross-file-random or -in-file.",
        default="python-cross-file-first",
        max_new_tokens=128,
        temperature=0.2,
    ),
    "crosscodeeval": _command(
        _crosscodeeval,
        "Write a statement that needs other files (CrossCodeEval): EM and similarity of text, EM and F1 of names.",
        sets="python, java, typescript or csharp.",
        default="python",
        max_new_tokens=50,
    ),
    "santacoder-fim": _command(
        _santacoder_fim,
        "Fill a line of a function in Python, JavaScript or Java (MultiPL-E's FIM sets): exact match.",
        sets="py, js or java.",
        default="py",
        max_new_tokens=128,
    ),
}
"""Name of the command: what it does."""


def _suite(
    suite: "Suite[Any]",
    subset: str,
    data: Path | None,
    limit: int | None,
    settings: "Settings",
    model: str | None,
    tokenizer: Path | None,
    family: str | None,
    runs: Path,
    json_: bool,
) -> None:
    """Run a model on a set of a benchmark and print its figures."""
    from midspan.evaluate.case_sets import evenly
    from midspan.evaluate.public.run import parts_of, run_suite

    found = evenly(list(suite.gaps(subset, data)), limit)
    chosen = choose_model(model, runs)
    opening = partial(open_engine, chosen, runs=runs, slots=WORKERS, tokenizer=tokenizer, family=family)

    def work(completer: "Completer", journal: Path, task: Task) -> Awaitable[list[Record]]:
        return run_suite(completer, suite, found, settings, journal, WORKERS, task)

    identity = [suite.name, subset, chosen, _digest(chosen, runs), asdict(settings)]
    title = f"{suite.name} {subset} {chosen}"
    parts = parts_of(found, asyncio.run(_run(title, len(found), opening, work, identity)))
    if json_:
        about = {"model": chosen, "benchmark": suite.name, "set": subset, "settings": asdict(settings)}
        typer.echo(json.dumps(about | {"parts": [asdict(part) for part in parts]}))
        return
    typer.echo(f"{chosen} on {suite.title} {subset}, {_how(not settings.raw)}")
    console().print(_table(parts))


def _table(parts: "Sequence[Part]") -> Table:
    """The figures of each part; how many problems a figure is over, where that is not all of them."""
    metrics = list(dict.fromkeys(metric for part in parts for metric in part.scores))
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("", "problems", *metrics):
        table.add_column(column, justify="right" if column else "left")
    for part in parts:
        problems = max(part.problems.values())
        cells = []
        for metric in metrics:
            figure, judged = part.scores.get(metric), part.problems.get(metric, 0)
            of = "" if judged == problems else f" of {judged:,}"
            cells.append(f"{figure.value:.1%} [{figure.low:.0%}, {figure.high:.0%}]{of}" if figure else "")
        table.add_row(part.name, f"{problems:,}", *cells)
    return table


def _how(logic: bool) -> str:
    return "through the completion logic" if logic else "as generated"


def _digest(model: str, runs: Path) -> str:
    """Of the contents of the model's files, where it has any: another model under the same name is another model."""
    return "" if is_remote(model) else content_digest(locate(model, runs).path)


async def _run(
    title: str,
    problems: int,
    opening: Callable[[], Awaitable[Any]],
    work: "Callable[[Completer, Path, Task], Awaitable[list[Record]]]",
    identity: list[Any],
) -> list[Record]:
    """Open the model, do the work with a journal of its own in the cache, close it."""
    from midspan.complete.completer import Completer

    engine = await opening()
    try:
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        journal = default_cache() / "eval" / f"{key[:16]}.jsonl"
        journal.parent.mkdir(parents=True, exist_ok=True)
        with Progress().task(title, problems) as task:
            return await work(Completer(engine, pin=False), journal, task)
    finally:
        await engine.close()
