"""Signals of a text's lines; a line ends where `str.splitlines` ends it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lines:
    """Lengths in characters, without the line break."""

    lines: int
    mean_line_length: float
    max_line_length: int


def lines(text: str) -> Lines:
    """Measure a text's lines."""
    lengths = [len(line) for line in text.splitlines()]
    return Lines(
        lines=len(lengths),
        mean_line_length=round(sum(lengths) / len(lengths), 4) if lengths else 0.0,
        max_line_length=max(lengths, default=0),
    )
