"""Tables of evaluation for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from midspan.evaluate.figures import FIGURES, HEADLINE

WITH_INTERVAL = ("em", "kk", "chrf")


def row_table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    """One row per system: the headline figures, the first with their 95 % intervals, and the median latency."""
    table = Table(title=f"{title}: {rows[0]['cases']:,} cases of {rows[0]['projects']:,} projects", box=box.SIMPLE_HEAD)
    table.title_justify = "left"
    table.add_column("system", overflow="fold")
    for name in HEADLINE:
        table.add_column(FIGURES[name].title, justify="right")
    table.add_column("p50 ms", justify="right")
    for row in rows:
        table.add_row(row["system"], *(_cell(row, name) for name in HEADLINE), f"{row['latency_ms']:,.0f}")
    return table


def _cell(row: Mapping[str, Any], name: str) -> str:
    figure = FIGURES[name]
    if name not in row:
        return ""
    value = figure.text(row[name])
    if name not in WITH_INTERVAL:
        return value
    low, high = map(figure.text, row["intervals"][name])
    return f"{value} [{low}, {high}]"
