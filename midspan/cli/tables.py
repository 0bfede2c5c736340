"""Tables for a person to read on the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from midspan.recipe.summary import StageRow


def stage_table(rows: list[StageRow], title: str) -> Table:
    """The stages of one run with their figures; EM is a share, chrF++ is on its usual scale of 0 to 100."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("stage")
    for column in ("tokens", "valid bits/byte", "EM", "chrF++", "length ratio", "seconds"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.stage,
            "" if row.tokens is None else f"{row.tokens:,}",
            "" if row.bits_per_byte is None else f"{row.bits_per_byte:.3f}",
            "" if row.exact_match is None else f"{row.exact_match:.1%}",
            "" if row.chrf is None else f"{row.chrf:.1f}",
            "" if row.length_ratio is None else f"{row.length_ratio:.2f}",
            f"{row.seconds:,.1f}",
        )
    return table


def console() -> Console:
    """The terminal, or plain text of a fixed width where the output goes to a file or a pipe."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=100)
