"""`midspan data RECIPE` and the commands about a corpus beside it: `midspan data COMMAND`.

The stage itself is the command `build` of the group; a first argument that names no command is its recipe.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from midspan.cli.build import stage_command, stage_help
from midspan.cli.data_signals import signals
from midspan.cli.data_who import who
from midspan.recipe.graph import STAGES

STAGE = STAGES["data"]
DEFAULT = "build"


class _DefaultGroup(TyperGroup):
    """A group of commands in which one needs no name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    cls=_DefaultGroup,
    no_args_is_help=True,
    help=f"{stage_help(STAGE)}\n\n`midspan data RECIPE` is short for `midspan data {DEFAULT} RECIPE`.",
)


def register(app: typer.Typer) -> None:
    """Add the group to `app`."""
    app.add_typer(group, name=STAGE.name, rich_help_panel="Build")


group.command(DEFAULT, help=stage_help(STAGE))(stage_command(STAGE.name))
group.command("who")(who)
group.command("signals")(signals)
