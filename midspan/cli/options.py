"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A TOML file, or a preset: nano, tiny, mini, small, mellum-4b.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a value of the recipe, such as pretrain.tokens=1000000."),
]
RunsOption = Annotated[Path, typer.Option("--runs", metavar="DIR", envvar="MIDSPAN_RUNS", help="Where runs are kept.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        envvar="MIDSPAN_MODEL",
        help="A run's name or directory, a Hugging Face directory or a .gguf file. Default: the newest exported run.",
    ),
]

DEFAULT_RUNS = Path("runs")
