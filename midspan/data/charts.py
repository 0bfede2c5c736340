"""Plots of the report, as SVG by matplotlib that takes its colours from the page around it, light or dark.

The same numbers give the same bytes: no date, and identifiers from a fixed salt.
"""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, DIM, LINE, MARK, OTHER, GOOD, BAD = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606", "#070707"
"""Stand-ins, in the order of `_VARIABLES`, for colours that the page defines."""
_VARIABLES = {INK: "--ink", DIM: "--dim", LINE: "--line", MARK: "--mark", OTHER: "--other"} | {
    GOOD: "--good",
    BAD: "--bad",
}
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "svg.hashsalt": "midspan",
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "text.color": INK,
    "xtick.color": DIM,
    "ytick.color": INK,
    "axes.edgecolor": LINE,
}
WIDTH = 6.2
"""Inches; the page scales plots down where it is narrower, never up beyond 1 pixel per point and a third."""
ROOM = 1.18
"""The longest bar ends here, so that its number has a place."""


def bars(rows: Sequence[tuple[str, float, str]], alone: str) -> str:
    """Horizontal bars from the top: (label, value, what to print at its end); `alone` describes the plot in words."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _empty(len(rows))
        places = range(len(rows))
        axes.barh(places, [value for _, value, _ in rows], color=MARK, height=0.68)
        _label(axes, rows)
        return _svg(figure, alone)


def paired_bars(rows: Sequence[tuple[str, float, float, str]], names: tuple[str, str], alone: str) -> str:
    """Two bars for each label: (label, first value, second value, what to print), and a legend."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _empty(1.5 * len(rows) + 1)
        places = range(len(rows))
        axes.barh([place - 0.19 for place in places], [row[1] for row in rows], color=DIM, height=0.34, label=names[0])
        axes.barh([place + 0.19 for place in places], [row[2] for row in rows], color=MARK, height=0.34, label=names[1])
        _label(axes, [(label, max(first, second), text) for label, first, second, text in rows])
        axes.legend(loc="lower right", frameon=False, fontsize=9)
        return _svg(figure, alone)


def histogram(bins: Sequence[tuple[str, int]], alone: str) -> str:
    """Columns for (range, count), side by side."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _empty(7)
        places = range(len(bins))
        axes.bar(places, [count for _, count in bins], color=MARK, width=0.85)
        axes.set_xticks(places, [name for name, _ in bins], rotation=45, ha="right", fontsize=8)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.tick_params(axis="y", labelcolor=DIM, length=0)
        axes.grid(axis="y", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        return _svg(figure, alone)


Range = tuple[float, float, float]
"""A value and the ends of its interval."""


def ranges(groups: Sequence[str], series: Sequence[tuple[str, Sequence[Range | None]]], alone: str) -> str:
    """Dots with their intervals from the top: in each group one for each (name, ranges) of `series`, and a legend."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _empty(len(groups) * (0.6 + 0.55 * len(series)) + 2)
        for number, (name, values) in enumerate(series):
            known = [(place, each) for place, each in enumerate(values) if each is not None]
            heights = [place + 0.7 * ((number + 0.5) / len(series) - 0.5) for place, _ in known]
            colour, marker = _looks(number)
            axes.hlines(heights, [low for _, (_, low, _) in known], [high for _, (_, _, high) in known], color=colour)
            middles = [value for _, (value, _, _) in known]
            axes.plot(middles, heights, linestyle="none", marker=marker, markersize=5, color=colour, label=name)
        axes.set_yticks(range(len(groups)), list(groups))
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.04), frameon=False, fontsize=9, ncols=2)
        return _svg(figure, alone)


def curves(
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    labels: tuple[str, str],
    alone: str,
    *,
    diagonal: bool = False,
    between: tuple[float, float] | None = (0, 1.02),
) -> str:
    """Lines through (name, x, y) of each of `series`, y `between` two values or, for None, as far as they reach;
    `diagonal` draws where both are the same.
    """
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _empty(10)
        if diagonal:
            axes.plot([0, 1], [0, 1], color=LINE, linewidth=1)
        for number, (name, x, y) in enumerate(series):
            colour, marker = _looks(number)
            axes.plot(x, y, color=colour, marker=marker if diagonal else None, markersize=4, linewidth=1.4, label=name)
        if between is not None:
            axes.set_ylim(*between)
        axes.set_xlim(left=0)
        axes.set_xlabel(labels[0], color=DIM, fontsize=9)
        axes.set_ylabel(labels[1], color=DIM, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(color=LINE, linewidth=0.6)
        if between is not None or len(series) > 1:
            axes.legend(loc="lower right" if between is not None else "best", frameon=False, fontsize=9)
        return _svg(figure, alone)


def _looks(number: int) -> tuple[str, str]:
    """Colour and mark of the series with this number: no two of the first twenty are the same."""
    return (MARK, OTHER, GOOD, BAD, DIM)[number % 5], "osD^"[number % 4]


def _empty(rows: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, 0.4 + 0.27 * rows), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    return figure, axes


def _label(axes: Axes, rows: Sequence[tuple[str, float, str]]) -> None:
    longest = max((value for _, value, _ in rows), default=1) or 1
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, longest * ROOM)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    for place, (_, value, text) in enumerate(rows):
        axes.text(value + longest * 0.01, place, text, va="center", color=DIM, fontsize=9)


def _svg(figure: Figure, alone: str) -> str:
    stream = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", transparent=True, metadata=metadata)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r" id=\"(?:figure|axes|patch|text|line2d|matplotlib|[xy]tick|legend)[^\"]*\"", "", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return text.replace("<svg ", f'<svg role="img" aria-label="{alone}" ', 1)
