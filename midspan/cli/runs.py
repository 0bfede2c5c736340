"""`midspan runs` and `midspan card`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from midspan.cli.options import DEFAULT_RUNS, JsonOption, RunsOption
from midspan.cli.tables import console, stage_table
from midspan.errors import MidspanError
from midspan.recipe.card import model_card
from midspan.recipe.summary import begun_stages, read_run, rows_of, run_directory, run_names


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("runs", rich_help_panel="Inspect")(_runs)
    app.command("card", rich_help_panel="Inspect")(_card)


def _runs(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Only this run.")] = None,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """List the runs with the figures of their stages."""
    directories = [run_directory(run, runs)] if run else [runs / name for name in run_names(runs)]
    answer = {}
    for directory in directories:
        try:
            rows, problem = rows_of(read_run(directory)), ""
        except MidspanError as error:
            if run:
                raise
            rows, problem = [], str(error)
        begun = begun_stages(directory)
        answer[directory.name] = {"stages": [asdict(row) for row in rows], "begun": begun, "problem": problem}
        if not json_:
            console().print(stage_table(rows, title=f"run {directory.name}"))
            if begun:
                typer.echo(f"  begun, not finished: {', '.join(begun)}")
            if problem:
                typer.echo(f"  {problem}")
    if json_:
        typer.echo(json.dumps(answer))
    elif not directories:
        typer.echo(f"no runs in {runs}; build one with: midspan build nano")


def _card(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or directory.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of the terminal.")
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Write the model card of RUN: shape, training, evaluation, and the provenance of its data."""
    text = model_card(run_directory(run, runs))
    if output:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise MidspanError(
                f"cannot write {output}: {error.strerror}", "choose another file with --output"
            ) from None
    else:
        typer.echo(text)
