"""`midspan report`: the curves of a run's training as a page."""

from pathlib import Path
from typing import Annotated

import typer

from midspan.cli.options import DEFAULT_RUNS, RunsOption
from midspan.errors import MidspanError
from midspan.recipe.summary import MODEL_NAMES, run_directory


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("report", rich_help_panel="Inspect")(_report)


def _report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or directory.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: training.html in the run.")
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write a page with the curves of RUN's training stages, also of one that is running, and print its path."""
    from midspan.train.report import write_training_report

    directory = run_directory(run, runs)
    stages = {}
    for stage in MODEL_NAMES:
        begun = directory / f".{stage}.work"
        stages[stage] = begun if begun.is_dir() else directory / stage
    path = output or directory / "training.html"
    try:
        write_training_report(directory.resolve().name, stages, path)
    except OSError as error:
        raise MidspanError(f"cannot write {path}: {error.strerror}", "choose another file with --output") from None
    typer.echo(path)
    if open_:
        typer.launch(path.resolve().as_uri())
