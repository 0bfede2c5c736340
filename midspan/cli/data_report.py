"""`midspan data report`: where the report of a corpus is."""

from typing import Annotated

import typer

from midspan.cli.options import DEFAULT_RUNS, RunsOption
from midspan.errors import MidspanError
from midspan.recipe.summary import run_directory

REPORT_PAGE = "report.html"


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or directory.")],
    runs: RunsOption = DEFAULT_RUNS,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Print the path of the report on a run's corpus: what went in, what was dropped and why, what it is made of."""
    path = run_directory(run, runs) / "data" / REPORT_PAGE
    if not path.is_file():
        raise MidspanError(f"run {run} has no report at {path}", "build its corpus with `midspan data`")
    typer.echo(path)
    if open_:
        typer.launch(path.resolve().as_uri())
