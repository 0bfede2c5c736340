"""`midspan data RECIPE` and the commands about a corpus beside it: `midspan data COMMAND`."""

import typer

from midspan.cli.data_report import report
from midspan.cli.data_signals import signals
from midspan.cli.data_who import who
from midspan.cli.stage_group import stage_group


def register(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = stage_group("data")
    group.command("report")(report)
    group.command("who")(who)
    group.command("signals")(signals)
    app.add_typer(group, name="data", rich_help_panel="Build")
