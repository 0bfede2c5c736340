"""`midspan data who`: where a piece of code stands in the corpus of a run."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from midspan.cli.options import DEFAULT_RUNS, JsonOption, RunsOption
from midspan.cli.tables import console
from midspan.errors import MidspanError
from midspan.recipe.summary import run_directory

NOT_FOUND = 1


def who(
    piece: Annotated[
        str, typer.Argument(metavar="TEXT|FILE", help="A file, the text itself, or - for standard input.")
    ],
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="A run's name or directory.")],
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Find where a piece of code stands in the corpus of a run, with source and licence.

    White space and case do not count. Exit code 0: found, 1: not found.
    """
    from midspan.data.who import who as find

    origins = find(run_directory(run, runs) / "data", _text(piece))
    if json_:
        typer.echo(json.dumps([asdict(origin) for origin in origins]))
    elif not origins:
        typer.echo("not found in the corpus")
    for origin in () if json_ else origins:
        place = f"{origin.project}: {origin.path}:{origin.first_line}-{origin.last_line}"
        console().print(f"[bold]{escape(place)}[/bold]", highlight=False)
        console().print(
            escape(
                f"  {origin.characters:,} characters in a row, {origin.share:.0%} of the text; {origin.licence};"
                f" {origin.source} {origin.revision} {origin.url}".rstrip()
                + f" ({origin.split})"
            ),
            highlight=False,
            soft_wrap=True,
        )
    if not origins:
        raise typer.Exit(NOT_FOUND)


def _text(piece: str) -> str:
    """What the argument stands for. Raises MidspanError for a file that cannot be read."""
    if piece == "-":
        return sys.stdin.read()
    if "\n" in piece or len(os.fsencode(piece)) > 255 or not Path(piece).is_file():
        return piece
    try:
        return Path(piece).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MidspanError(f"cannot read {piece}: {error}") from None
