"""`midspan review`: a person compares the completions of a run's preference pairs, and the judges are held against it.

A command of its own, not `midspan prefer review`: what follows `midspan prefer` is a recipe, which may be called so.
"""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from midspan.cli.options import DEFAULT_RUNS, JsonOption, RunsOption
from midspan.cli.tables import console
from midspan.errors import MidspanError
from midspan.recipe.manifest import read_manifest
from midspan.recipe.schema import FimConfig
from midspan.recipe.summary import run_directory

if TYPE_CHECKING:
    from midspan.prefer.judges.review import Review

LABELS_FILE = "review.jsonl"
"""In the run's directory, beside the stages: building a stage anew does not touch it."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("review", rich_help_panel="Inspect")(_review)


def _review(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or directory, its stage prefer finished.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many pairs to review, drawn by the seed.")] = 50,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the pairs and which side each text is on.")] = 0,
    web: Annotated[bool, typer.Option("--web", help="Answer on a page in the browser, for this machine only.")] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 0,
    report: Annotated[
        bool, typer.Option("--report", help="Only say how far the judges agree, as --json does.")
    ] = False,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Compare the completions of RUN's preference pairs blindly; say how far its judges agree with you."""
    try:
        from midspan.prefer.judges.human import Labels
        from midspan.prefer.judges.review import Review, load_items
    except ModuleNotFoundError as error:
        raise MidspanError(
            f"a review needs the package {error.name}", "install it with: pip install 'midspan[train]'"
        ) from None

    directory = run_directory(run, runs)
    review = Review(load_items(directory, count, seed), Labels(directory / LABELS_FILE))
    if not report and not json_:
        if web:
            from midspan.cli.review_page import review_on_page

            review_on_page(review, port)
        else:
            from midspan.cli.review_terminal import review_on_terminal

            review_on_terminal(review)
    _report(review, directory, json_)


def _report(review: "Review", directory: Path, json_: bool) -> None:
    from midspan.prefer.judges.agreement import position_bias
    from midspan.prefer.judges.review import answered, judges_agreement, true_cases

    given = [item for item, _ in answered(review.items, review.labels)]
    settings = read_manifest(directory / "prefer").settings
    truths = {}
    if (directory / "data").is_dir() and any(item.judge != "reference" for item in given):
        truths = true_cases(given, directory / "data", FimConfig.model_validate(settings["fim"]), settings["seed"])
    found = asyncio.run(judges_agreement(given, review.labels, truths, settings["prefer"]["min_margin"]))
    sides = position_bias([review.labels.by_pair[item.pair].side for item in given])
    if json_:
        answer: dict[str, Any] = {"pairs": len(review.items), "answered": len(given), "first_share": asdict(sides)}
        typer.echo(json.dumps(answer | {"agreement": {name: asdict(one) for name, one in found.items()}}))
        return
    typer.echo(f"{review.done} of {len(review.items)} pairs reviewed, {len(given)} with an answer")
    if not given:
        return
    table = Table("judge", "pairs", "agrees with you", "where both decide", "Cohen's kappa")
    for name, one in found.items():
        table.add_row(name, str(one.pairs), str(one.share), str(one.decided), str(one.kappa))
    console().print(table)
    typer.echo(f"you named the first one in {sides} of your decisions (in brackets: 95 % intervals)")
