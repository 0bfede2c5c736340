"""`midspan pack` and `midspan unpack`: a run goes on on another machine, without a network."""

import re
from pathlib import Path
from typing import Annotated

import typer

from midspan.cli.build import stage_named
from midspan.cli.options import DEFAULT_RUNS, RecipeArgument, RunsOption, SetOption
from midspan.errors import MidspanError
from midspan.recipe.graph import STAGES
from midspan.recipe.load import load_recipe

UNITS = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SMALLEST_PART = 10**5


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("pack", rich_help_panel="Build")(_pack)
    app.command("unpack", rich_help_panel="Build")(_unpack)


def _pack(
    recipe: RecipeArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="A folder that is not there yet.")],
    set_: SetOption = None,
    stage: Annotated[
        str | None, typer.Option("--stage", metavar="STAGE", help="Default: the first that is not finished.")
    ] = None,
    part_size: Annotated[str, typer.Option("--part-size", metavar="SIZE", help="Such as 60MB or 1GiB.")] = "60MB",
    inputs: Annotated[bool, typer.Option("--inputs/--no-inputs", help="With the stages that this one reads.")] = True,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="Of a checkpoint the weights alone, in bfloat16.")
    ] = False,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Pack what a stage of RECIPE's run needs to be begun, or to go on from its checkpoint, on another machine.

    On the way home `--no-inputs` leaves out what is there already.
    """
    from midspan.recipe.bundle import pack

    loaded = load_recipe(recipe, tuple(set_ or ()))
    chosen = stage_named(stage) if stage else _first_unfinished(runs / loaded.name)
    size = _bytes(part_size)
    bundle = pack(loaded, runs, chosen, out, part_bytes=size, inputs=inputs, weights=weights_only)
    total = sum(part.bytes for part in bundle.parts)
    at = f" at step {bundle.step}" if bundle.step else ""
    typer.echo(f"{out}: stage {chosen}{at}, {len(bundle.parts)} parts, {total / 1e6:,.1f} MB")


def _unpack(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `midspan pack` wrote.")],
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Put a packed leg into the runs of this machine, where the stage can be begun, gone on with, or used."""
    from midspan.recipe.bundle import RECIPE, unpack

    bundle, new = unpack(folder, runs)
    typer.echo(f"{runs / bundle.run}: {', '.join(new) if new else 'nothing new'}")
    typer.echo(f"go on with: midspan {bundle.stage} {runs / bundle.run / RECIPE} --runs {runs}")


def _first_unfinished(run: Path) -> str:
    for stage in STAGES:
        if not (run / stage).is_dir():
            return stage
    raise MidspanError(f"all stages of {run} are finished", "name one with --stage")


def _bytes(size: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", size)
    if not found or found[2] not in UNITS or (count := int(float(found[1]) * UNITS[found[2]])) < SMALLEST_PART:
        allowed = ", ".join(unit for unit in UNITS if unit)
        raise MidspanError(f"--part-size {size}: not a size of at least 100kB", f"a number and one of {allowed}")
    return count
