"""A stage of the pipeline with commands of its own beside it: `midspan STAGE RECIPE` and `midspan STAGE COMMAND`.

The stage itself is the command `stage` of the group; a first argument that names no command is its recipe.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from midspan.cli.build import stage_command, stage_help
from midspan.recipe.graph import STAGES

DEFAULT = "stage"


class _DefaultGroup(TyperGroup):
    """A group of commands in which one needs no name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


def stage_group(name: str) -> typer.Typer:
    """The group of the stage `name`, with the stage itself in it."""
    stage = STAGES[name]
    group = typer.Typer(
        cls=_DefaultGroup,
        no_args_is_help=True,
        help=f"{stage_help(stage)}\n\n`midspan {name} RECIPE` is short for `midspan {name} {DEFAULT} RECIPE`.",
    )
    group.command(DEFAULT, help=stage_help(stage))(stage_command(name))
    return group
