"""`midspan calibrate MODEL`: measure what a model's own probabilities are worth, and keep it beside the model.

A command of its own and no part of stage `eval`: it is for the model that is served (exported, quantised), also one
that no run made, and it is done again when the completion logic changes, without building anything.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from midspan.cli.options import DEFAULT_RUNS, FamilyOption, JsonOption, RunsOption
from midspan.engine.calibration import Calibration, calibration_path
from midspan.engine.locate import locate
from midspan.engine.open import open_engine
from midspan.errors import MidspanError
from midspan.recipe.progress import Progress


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("calibrate", rich_help_panel="Complete")(_calibrate)


def _calibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run, a Hugging Face directory or a .gguf file.")],
    cases: Annotated[int, typer.Option("--cases", min=2, help="Places to complete, in held-out projects.")] = 400,
    corpus: Annotated[
        Path | None, typer.Option("--corpus", metavar="DIR", help="Output of stage data. Default: the run's own.")
    ] = None,
    family: FamilyOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Fit the confidence of suggestions on projects held out for validation; [complete] min_confidence then works."""
    path = locate(model, runs).path
    own = next((run / "data" for run in (runs / model, Path(model)) if (run / "data").is_dir()), None)
    source = corpus or own
    if source is None:
        raise MidspanError(f"{model} brings no corpus to calibrate on", "name the output of a stage data with --corpus")
    calibration = asyncio.run(_measure(model, runs, family, source, cases))
    target = calibration_path(path)
    aside = target.with_name(f".{target.name}.part")
    try:
        aside.write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
        aside.replace(target)
    except OSError as error:
        raise MidspanError(f"{target} cannot be written: {error.strerror}") from None
    if json_:
        typer.echo(calibration.model_dump_json())
        return
    typer.echo(
        f"{target}: fitted on {calibration.cases} suggestions; expected calibration error on {calibration.held_out}"
        f" others {calibration.error_before:.3f} before, {calibration.error_after:.3f} after"
    )


async def _measure(model: str, runs: Path, family: str | None, corpus: Path, count: int) -> Calibration:
    try:
        from midspan.complete.completer import Completer
        from midspan.data.cases import draw_cases
        from midspan.data.corpus import projects
        from midspan.evaluate.calibrate import calibrate, outcomes
        from midspan.recipe.schema import FimConfig
    except ModuleNotFoundError as error:
        raise MidspanError(
            f"calibrating needs the package {error.name}", "install it with: pip install 'midspan[train]'"
        ) from None
    cases = draw_cases(lambda: projects(corpus, "valid"), count, FimConfig(), seed=0)
    if not cases:
        raise MidspanError(f"{corpus} holds no project for validation", "raise [data] valid_share and build it again")
    engine = await open_engine(model, runs=runs, family=family)
    engine.calibration = None
    try:
        with Progress().task("calibrate", len(cases)) as task:
            found = await outcomes(Completer(engine, pin=False), cases, lambda: projects(corpus, "valid"), task)
    finally:
        await engine.close()
    return calibrate(found)
