"""`midspan eval build`: a benchmark out of real projects."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from midspan.cli.options import DEFAULT_RUNS, JsonOption, RunsOption
from midspan.cli.tables import console
from midspan.recipe.benchmark import BENCHMARKS, load_benchmark_recipe
from midspan.recipe.progress import Progress
from midspan.recipe.summary import run_directory

if TYPE_CHECKING:
    from midspan.evaluate.benchmark.format import Manifest


def build(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help=f"A TOML file, or one that comes along: {', '.join(BENCHMARKS)}.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A directory that is not there yet.")],
    not_in: Annotated[
        list[str] | None,
        typer.Option("--not-in", metavar="RUN", help="Leave out what the corpus of this run holds; can be repeated."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help="Of git repositories only files committed after this day."),
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Draw cases like those of an editor from real projects: a benchmark that any model can be measured on.

    Packages that a recipe names are downloaded once, with pip and npm, and checked against their hashes.
    """
    from midspan.evaluate.benchmark.build import build_benchmark

    loaded = load_benchmark_recipe(recipe)
    if since:
        loaded = loaded.model_copy(update={"since": since.date()})
    corpora = [run_directory(run, runs) / "data" for run in not_in or ()]
    manifest = build_benchmark(loaded, out, corpora, Progress()).manifest
    if json_:
        typer.echo(manifest.model_dump_json())
        return
    console().print(_table(manifest))
    for what, removed in (("files", manifest.removed_files), ("cases", manifest.removed_cases)):
        counts = ", ".join(
            f"{reason} {count:,}" for reason, count in sorted(removed.items(), key=lambda each: -each[1])
        )
        console().print(f"{what} left out: {counts or 'none'}", highlight=False)


def _table(manifest: "Manifest") -> Table:
    """Cases by language and kind of caret."""
    kinds = sorted({kind for counts in manifest.strata.values() for kind in counts})
    title = f"{manifest.cases:,} cases, {manifest.documents:,} files of {manifest.projects:,} projects"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("language", no_wrap=True)
    for column in (*kinds, "all"):
        table.add_column(column.replace("_", " "), justify="right")
    for language, counts in manifest.strata.items():
        table.add_row(language, *(str(counts.get(kind, "")) for kind in kinds), str(sum(counts.values())))
    return table
