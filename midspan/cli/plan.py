"""`midspan plan`: what a recipe would run and cost."""

import json
from dataclasses import asdict

import typer
from rich import box
from rich.table import Table

from midspan.cli.options import DEFAULT_RUNS, JsonOption, RecipeArgument, RunsOption, SetOption
from midspan.cli.tables import console
from midspan.recipe.load import load_recipe
from midspan.recipe.plan import GPU_UTILISATION, Plan, plan


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("plan", rich_help_panel="Inspect")(_plan)


def _plan(
    recipe: RecipeArgument,
    set_: SetOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    json_: JsonOption = False,
) -> None:
    """Print what would be run: parameters, tokens, FLOPs, memory and time, here and on the recipe's GPUs."""
    planned = plan(load_recipe(recipe, tuple(set_ or ())), runs)
    if json_:
        typer.echo(json.dumps(asdict(planned)))
    else:
        _print(planned)


def _print(planned: Plan) -> None:
    out = console()
    serving = ", ".join(f"{size / 2**30:.2f} GiB as {name}" for name, size in planned.serving_bytes.items())
    out.print(f"run {planned.name}: {planned.parameters:,} parameters ({planned.embedding_parameters:,} in embeddings)")
    out.print(f"serving one full context takes {serving}")
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("stage")
    table.add_column("state")
    gpus = f"{planned.devices} GPU" + ("s" if planned.devices > 1 else "")
    for column in ("tokens", "steps", "FLOPs", "GiB/device", "this CPU", gpus):
        table.add_column(column, justify="right")
    for stage in planned.stages:
        table.add_row(
            stage.stage,
            stage.state,
            amount(stage.tokens),
            f"{stage.steps:,}",
            f"{stage.flops:.2e}",
            f"{stage.memory / 2**30:.1f}",
            duration(stage.seconds_here),
            duration(stage.seconds_cluster),
        )
    out.print(table)
    out.print("also: " + ", ".join(f"{name} ({state})" for name, state in planned.other_stages.items()))
    out.print(
        f"this CPU: {planned.speed_here / 1e9:,.0f} GFLOP/s in training, from a measured matrix product; "
        f"GPU: H100 or H200 class at {GPU_UTILISATION:.0%} of its bf16 peak (assumed)"
    )


def amount(tokens: int) -> str:
    """A number of tokens in at most seven characters: "4.2 T", "50 B", "1.6 M", "900"."""
    for size, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if tokens >= size:
            return f"{tokens / size:.3g} {unit}"
    return str(tokens)


def duration(seconds: float) -> str:
    """A length of time with two figures that matter: "48 s", "12 min", "3.4 h", "19 days", "2,100 years"."""
    for limit, unit, size in ((90, "s", 1), (5_400, "min", 60), (172_800, "h", 3_600), (86_400 * 730, "days", 86_400)):
        if seconds < limit:
            value = seconds / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
    return f"{seconds / (86_400 * 365):,.0f} years"
