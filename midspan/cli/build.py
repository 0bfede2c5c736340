"""`midspan build` and one command per stage."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from midspan.cli.options import DEFAULT_RUNS, JsonOption, RecipeArgument, RunsOption, SetOption
from midspan.errors import MidspanError
from midspan.recipe.build import build, run_stage
from midspan.recipe.graph import STAGES, Stage
from midspan.recipe.load import load_recipe
from midspan.recipe.manifest import Manifest
from midspan.recipe.progress import Progress

GROUPS = frozenset({"data", "eval"})
"""Stages with commands of their own, see `cli.stage_group`."""


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("build", rich_help_panel="Build")(_build)
    for stage in STAGES.values():
        if stage.name not in GROUPS:
            app.command(stage.name, help=stage_help(stage), rich_help_panel="Build")(stage_command(stage.name))


def stage_help(stage: Stage) -> str:
    """What `midspan STAGE --help` says."""
    needs = f" Needs the finished stages: {', '.join(stage.needs)}." if stage.needs else ""
    return f"{stage.title}.{needs}"


def _build(
    recipe: RecipeArgument,
    set_: SetOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
    start: Annotated[
        str,
        typer.Option(
            "--from", metavar="STAGE", help="Take the stages before this one as they stand, their sources unseen."
        ),
    ] = "data",
) -> None:
    """Run every stage of RECIPE that is missing or out of date: repositories in, a measured and exported model out."""
    loaded = load_recipe(recipe, tuple(set_ or ()))
    progress = Progress()

    def say(stage: Stage, manifest: Manifest, reused: bool) -> None:
        say_finished(progress, manifest, reused)

    manifests = build(loaded, runs, progress, say, start=stage_named(start))
    if json_:
        typer.echo(json.dumps({name: _as_json(manifest, runs, loaded.name) for name, manifest in manifests.items()}))


def stage_named(name: str) -> str:
    """The name of a stage. Raises MidspanError."""
    if name not in STAGES:
        raise MidspanError(f"there is no stage {name}", f"the stages are: {', '.join(STAGES)}")
    return name


def stage_command(name: str) -> Any:
    """The function behind `midspan STAGE RECIPE`."""

    def command(
        recipe: RecipeArgument,
        set_: SetOption = None,
        runs: RunsOption = DEFAULT_RUNS,
        json_: JsonOption = False,
    ) -> None:
        loaded = load_recipe(recipe, tuple(set_ or ()))
        progress = Progress()
        manifest, reused = run_stage(name, loaded, runs, progress)
        say_finished(progress, manifest, reused)
        if json_:
            typer.echo(json.dumps(_as_json(manifest, runs, loaded.name)))

    return command


def say_finished(progress: Progress, manifest: Manifest, reused: bool) -> None:
    """Print one line about a stage: reused, or its time and first figures."""
    if reused:
        progress.log(f"{manifest.stage}: reused")
        return
    numbers = [(name, value) for name, value in manifest.metrics.items() if not isinstance(value, str)]
    figures = ", ".join(f"{name} {_short(value)}" for name, value in numbers[:6])
    progress.log(f"{manifest.stage}: done in {manifest.seconds:.1f} s ({figures})")


def _short(value: float | int) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def _as_json(manifest: Manifest, runs: Path, run: str) -> dict[str, Any]:
    return {
        "stage": manifest.stage,
        "directory": str(runs / run / manifest.stage),
        "key": manifest.key,
        "digest": manifest.digest,
        "seconds": manifest.seconds,
        "metrics": manifest.metrics,
    }
