"""`midspan eval RECIPE` and the commands beside it: benchmarks are built, run and compared; public benchmarks."""

import typer

from midspan.cli import eval_build, eval_compare, eval_public, eval_run
from midspan.cli.stage_group import stage_group


def register(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = stage_group("eval")
    group.command("build")(eval_build.build)
    group.command("run")(eval_run.run)
    group.command("compare")(eval_compare.compare)
    group.command("ablate")(eval_compare.ablate)
    for name, command in eval_public.COMMANDS.items():
        group.command(name, rich_help_panel="Public benchmarks")(command)
    app.add_typer(group, name="eval", rich_help_panel="Build")
