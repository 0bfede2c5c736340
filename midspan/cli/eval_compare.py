"""`midspan eval compare` and `midspan eval ablate`: what differs, beyond chance and case by case."""

import asyncio
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from midspan.cli.eval_run import (
    DEFAULT_RESULTS,
    WORKERS,
    CasesOption,
    LimitOption,
    MaxNewTokensOption,
    OutOption,
    PromptTokensOption,
    WorkersOption,
)
from midspan.cli.options import DEFAULT_RUNS, EngineOption, FamilyOption, JsonOption, RunsOption, TokenizerOption
from midspan.cli.tables import console
from midspan.engine.open import engine_name
from midspan.errors import MidspanError
from midspan.recipe.progress import Progress

if TYPE_CHECKING:
    from midspan.evaluate.compare import Difference, Pair

LINES_BEFORE, LINES_SHOWN = 6, 14
SEED = 0


def compare(
    results: Annotated[
        list[str],
        typer.Argument(metavar="A B…", help="Results or runs; PLACE#SYSTEM means one system of a place."),
    ],
    show: Annotated[int, typer.Option("--show", min=0, help="Cases to print, the worst regressions first.")] = 3,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write a page with every case, regressions first.")
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Hold systems against the first one named: paired differences with intervals, and the cases that got worse."""
    from midspan.cli.eval_tables import difference_table, row_table
    from midspan.evaluate.compare import differences, ranked, tally
    from midspan.evaluate.report import system_row
    from midspan.evaluate.report_page import write_page
    from midspan.evaluate.results import read_results

    found = read_results(results, runs)
    (first, reference), *others = found.systems.items()
    if not others:
        raise MidspanError(f"there is only {first} to compare", "name at least two systems")
    rows = [system_row(name, found.cases, predictions, SEED) for name, predictions in found.systems.items()]
    answer: dict[str, Any] = {"cases": len(found.cases), "reference": first, "rows": rows, "systems": {}}
    if not json_:
        console().print(row_table(rows, "all systems"))
    for name, predictions in others:
        changes = differences(found.cases, reference, predictions, SEED)
        pairs = ranked(found.cases, reference, predictions)
        answer["systems"][name] = {"tally": tally(pairs), "differences": [_as_json(each) for each in changes]}
        if not json_:
            console().print(difference_table(changes, first, name, len(found.cases)))
            counts = tally(pairs)
            typer.echo(f"by KK {counts['worse']} cases are worse, {counts['better']} better, {counts['same']} the same")
            _print_pairs([pair for pair in pairs if pair.change[0] < 0][:show], first, name)
    if out is not None:
        write_page(out, f"{' against '.join(found.systems)}", found.cases, found.systems, SEED, compared=True)
    if json_:
        typer.echo(json.dumps(answer))
    elif out is not None:
        typer.echo(out)


def ablate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As for `midspan eval run --model`.")],
    cases: CasesOption,
    part: Annotated[
        list[str] | None,
        typer.Option("--part", help="Only context, order, healing, steps or quantisation; repeat it for several."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The model's text as it comes, in every row.")] = False,
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
    """Change one thing at a time and measure what it was worth: context, order, healing, steps, precision."""
    from midspan.cli.eval_tables import ablation_table
    from midspan.evaluate.ablate import AS_IT_IS, PARTS
    from midspan.evaluate.ablate import ablate as run_ablation
    from midspan.evaluate.case_sets import case_set
    from midspan.evaluate.compare import differences
    from midspan.evaluate.evaluation import Model
    from midspan.evaluate.results import publish_results
    from midspan.evaluate.systems import Way

    unknown = sorted(set(part or ()) - set(PARTS))
    if unknown:
        raise MidspanError(f"there is no part {unknown[0]}", f"the parts are {', '.join(PARTS)}")
    chosen = case_set(cases, runs).limited(limit)
    asked = Model(model, runs, workers, tokenizer, family, engine_name(engine))
    parts = [each for each in PARTS if not part or each in part]
    with tempfile.TemporaryDirectory() as work:
        found = asyncio.run(
            run_ablation(
                asked, Way(max_new_tokens, raw, prompt_tokens=prompt_tokens), parts, chosen, Path(work), Progress()
            )
        )
    about = {"cases": chosen.name, "model": model, "raw": raw, "left_out": dict(found.left_out)}
    folder = out or DEFAULT_RESULTS / f"{chosen.name}-ablation"
    report = publish_results(folder, chosen.cases, found.systems, SEED, about)
    reference = found.systems[AS_IT_IS]
    changes = {
        name: differences(chosen.cases, reference, predictions, SEED)
        for name, predictions in found.systems.items()
        if name != AS_IT_IS
    }
    if json_:
        rows = {name: [_as_json(each) for each in values] for name, values in changes.items()}
        typer.echo(json.dumps({"results": str(folder), "rows": report["rows"], "differences": rows, **about}))
        return
    console().print(ablation_table(report["rows"][0], changes, f"{model} on {chosen.name}"))
    for name, why in found.left_out.items():
        typer.echo(f"left out: {name}, since {why}")
    typer.echo(folder / "report.html")


def _as_json(difference: "Difference") -> dict[str, Any]:
    return {
        "figure": difference.figure.name,
        "one": round(difference.one, 4),
        "other": round(difference.other, 4),
        "change": {name: round(value, 4) for name, value in asdict(difference.change).items()},
        "verdict": difference.verdict,
    }


def _print_pairs(pairs: "list[Pair]", first: str, name: str) -> None:
    out = console()
    for pair in pairs:
        case = pair.case
        before = Text("\n".join(case.prefix.split("\n")[-LINES_BEFORE:]), style="dim")
        sides = [
            _panel("really was", case.middle, "green"),
            _panel(f"{first}: KK {pair.one.scores.kk:.2f}", pair.one.answer.suggestion or "(nothing)", "white"),
            _panel(f"{name}: KK {pair.other.scores.kk:.2f}", pair.other.answer.suggestion or "(nothing)", "red"),
        ]
        out.rule(Text(f"{case.project}/{case.path} ({case.language}, {case.kind})"), align="left")
        out.print(Group(before, Columns(sides, equal=True, expand=True)))


def _panel(title: str, text: str, style: str) -> Panel:
    lines = text.split("\n")
    shown = "\n".join(lines[:LINES_SHOWN]) + ("\n…" if len(lines) > LINES_SHOWN else "")
    return Panel(Text(shown), title=Text(title), border_style=style)
