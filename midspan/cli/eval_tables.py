"""Tables of evaluation for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from midspan.evaluate.compare import Difference
from midspan.evaluate.figures import FIGURES, HEADLINE

COLOURS = {"better": "green", "worse": "red", "differs": "yellow", "": "default"}
WITH_INTERVAL = ("kk",)


def row_table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    """One row per system: the headline figures, KK with its 95 % interval, and the median latency."""
    table = Table(title=f"{title}: {rows[0]['cases']:,} cases of {rows[0]['projects']:,} projects", box=box.SIMPLE_HEAD)
    table.title_justify = "left"
    table.add_column("system", no_wrap=True, max_width=24)
    for name in HEADLINE:
        table.add_column(FIGURES[name].title, justify="right", no_wrap=name in WITH_INTERVAL)
    table.add_column("p50 ms", justify="right", no_wrap=True)
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
    return f"{value} \\[{low}, {high}]"


def difference_table(changes: Sequence[Difference], first: str, name: str, cases: int) -> Table:
    """One row per figure: both sides, and the change with its interval."""
    table = Table(title=f"{name} against {first}: {cases:,} cases", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    for column in (first, name, "change", ""):
        table.add_column(column, justify="left" if not column else "right", overflow="fold")
    for each in changes:
        figure = each.figure
        colour = COLOURS[each.verdict]
        table.add_row(
            figure.title, figure.text(each.one), figure.text(each.other), _change(each), f"[{colour}]{each.verdict}[/]"
        )
    return table


def ablation_table(as_it_is: Mapping[str, Any], changes: Mapping[str, Sequence[Difference]], title: str) -> Table:
    """One row per thing changed: how the headline figures move; coloured where the interval does not hold 0."""
    table = Table(title=f"{title}: what changes", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("changed", no_wrap=True, max_width=24)
    for name in HEADLINE:
        table.add_column(FIGURES[name].title, justify="right")
    table.add_row(as_it_is["system"], *(_cell(as_it_is, name) for name in HEADLINE))
    for name, found in changes.items():
        moved = {each.figure.name: each for each in found}
        table.add_row(name, *(_moved(moved.get(figure)) for figure in HEADLINE))
    return table


def _moved(change: Difference | None) -> str:
    if change is None:
        return ""
    return f"[{COLOURS[change.verdict]}]{change.figure.text(change.change.value, signed=True)}[/]"


def _change(each: Difference) -> str:
    value, low, high = (
        each.figure.text(number, signed=True) for number in (each.change.value, each.change.low, each.change.high)
    )
    return f"{value} \\[{low}, {high}]"
