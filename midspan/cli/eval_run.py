"""`midspan eval run`: systems on cases, into a directory of results."""

import asyncio
import json
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from midspan.cli.options import DEFAULT_RUNS, EngineOption, FamilyOption, JsonOption, RunsOption, TokenizerOption
from midspan.cli.tables import console
from midspan.engine.open import engine_name
from midspan.errors import MidspanError
from midspan.recipe.progress import Progress

if TYPE_CHECKING:
    from midspan.evaluate.run import Prediction

WORKERS = 2
DEFAULT_RESULTS = Path("evals")
CasesOption = Annotated[
    str, typer.Option("--cases", metavar="PLACE", help="A benchmark's directory, or a run: its held-out projects.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Only so many cases, evenly chosen.")]
MaxNewTokensOption = Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest suggestion.")]
PromptTokensOption = Annotated[
    int | None, typer.Option("--prompt-tokens", min=64, help="Longest prompt. Default: what the model was made for.")
]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Cases asked at the same time.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where the results go. Default: evals/ and the cases' name.")
]


class Baseline(StrEnum):
    """What needs no model."""

    COPY = "copy"


def run(
    cases: CasesOption,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A run's name or one of its stages (RUN/sft), a Hugging Face directory, a .gguf file or the URL of an"
            " OpenAI-compatible server; repeat it for several.",
        ),
    ] = None,
    baseline: Annotated[
        list[Baseline] | None, typer.Option("--baseline", help="copy: the line of the project that fits best.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The model's text as it comes, not through the completion logic.")
    ] = False,
    limit: LimitOption = None,
    max_new_tokens: MaxNewTokensOption = 128,
    prompt_tokens: PromptTokensOption = None,
    workers: WorkersOption = WORKERS,
    out: OutOption = None,
    tokenizer: TokenizerOption = None,
    family: FamilyOption = None,
    engine: EngineOption = "auto",
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Ask models for suggestions at the carets of real projects and measure them: a table, and a page with all cases.

    The same command goes on after an interruption: answers are kept by model, settings and case.
    """
    from midspan.cli.eval_tables import row_table
    from midspan.evaluate.baseline import CopySystem
    from midspan.evaluate.case_sets import case_set
    from midspan.evaluate.evaluation import Model, evaluate, evaluate_model
    from midspan.evaluate.results import publish_results
    from midspan.evaluate.systems import Way

    if not model and not baseline:
        raise MidspanError("there is nothing to evaluate", "name a --model or a --baseline")
    chosen = case_set(cases, runs).limited(limit)
    way = Way(max_new_tokens, raw, prompt_tokens=prompt_tokens)
    systems: dict[str, list[Prediction]] = {}
    seconds: dict[str, float] = {}
    progress = Progress()
    models = [Model(name, runs, workers, tokenizer, family, engine_name(engine)) for name in model or ()]
    titles = [each.title for each in models]
    for each, title in zip(models, titles, strict=True):
        name = title if titles.count(title) == 1 else each.name
        started = time.monotonic()
        systems |= asyncio.run(evaluate_model(each, {name: way}, chosen, progress))
        seconds[name] = round(time.monotonic() - started, 1)
    for simple in baseline or ():
        started = time.monotonic()
        systems[simple.value] = asyncio.run(evaluate(CopySystem(raw=raw), chosen, 1, progress))
        seconds[simple.value] = round(time.monotonic() - started, 1)
    about = {
        "cases": chosen.name,
        "raw": raw,
        "max_new_tokens": max_new_tokens,
        "prompt_tokens": prompt_tokens,
        "workers": workers,
        "seconds": seconds,
    }
    folder = out or DEFAULT_RESULTS / chosen.name
    report = publish_results(folder, chosen.cases, systems, 0, about)
    if json_:
        typer.echo(json.dumps({"results": str(folder), **report}))
        return
    how = "as generated" if raw else "through the completion logic"
    console().print(row_table(report["rows"], f"{chosen.name}, {how}"))
    typer.echo(f"{folder / 'report.html'}")
