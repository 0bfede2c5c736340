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
        help="A run's name or directory, a Hugging Face directory or name (org/name, already downloaded), a .gguf"
        " file, or the URL of an OpenAI-compatible server; several URLs, parted by commas, of servers of one model."
        " Default: the newest exported run.",
    ),
]
ENGINE = typer.Option("--engine", metavar="NAME", help="auto, llama.cpp, or torch (the slow reference); not for URLs.")
EngineOption = Annotated[str, ENGINE]
TokenizerOption = Annotated[
    Path | None,
    typer.Option("--tokenizer", metavar="FILE", help="The tokenizer.json of a model behind a URL."),
]
FamilyOption = Annotated[
    str | None,
    typer.Option(
        "--family", metavar="NAME", help="The model's prompt format, where its vocabulary fits several of them."
    ),
]

DEFAULT_RUNS = Path("runs")
