"""Where does a piece of code stand in a corpus: how long does `midspan.data.who` take to answer, and is it right?

Pieces of ten lines are drawn from a corpus, evenly over its documents; asked is where they come from. *Found* is the
share whose own document, or another with as long a run, is the first answer. Peer: what one does without an index, a
search for the piece in every text of the corpus, all of them in memory already.

    python benchmarks/data_who.py STAGE_DIRECTORY [--pieces 200]
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from midspan.data.corpus import CORPUS_FILE
from midspan.data.grams import GUARANTEE, normalised
from midspan.data.who import load_index, who

LINES = 10
PEER_PIECES = 20
"""The peer is slow: it looks for so many pieces."""


class Spent(NamedTuple):
    """Seconds of wall clock and of processor, which other work on the machine changes less."""

    wall: float
    cpu: float


def main() -> None:
    """Draw, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", type=Path, help="a folder with corpus.parquet")
    parser.add_argument("--pieces", type=int, default=200)
    options = parser.parse_args()
    texts: list[str] = pq.read_table(options.stage / CORPUS_FILE, columns=["text"])["text"].to_pylist()
    pieces = draw(texts, options.pieces)
    started = time.perf_counter()
    index = load_index(options.stage)
    loaded = time.perf_counter() - started
    answers, ours = timed(lambda piece: who(options.stage, piece), pieces)
    _, theirs = timed(lambda piece: [row for row, text in enumerate(texts) if piece in text], pieces[:PEER_PIECES])
    right = sum(bool(found) and found[0].characters == len(normalised(piece)) for piece, found in answers)
    table = Table("way", "p50 ms", "p95 ms", "p50 ms of cpu", title=f"{len(texts):,} documents")
    for name, spent in {"midspan data who": ours, "search in all texts": theirs}.items():
        walls = [each.wall for each in spent]
        figures = (statistics.median(walls), statistics.quantiles(walls, n=20)[-1], middle_cpu(spent))
        table.add_row(name, *(f"{1_000 * figure:.1f}" for figure in figures))
    ratio = middle_cpu(theirs) / middle_cpu(ours)
    console = Console()
    console.print(f"load {os.getloadavg()[0]:.1f}")
    console.print(table)
    console.print(f"found whole {right / len(pieces):.3f}; ratio of processor time {ratio:.1f}")
    console.print(f"index: {index.nbytes / 1e6:.1f} MB, there after {loaded:.1f} s")


def middle_cpu(spent: list[Spent]) -> float:
    """The median of the processor time."""
    return statistics.median(each.cpu for each in spent)


def draw(texts: list[str], count: int) -> list[str]:
    """Runs of `LINES` lines that are long enough to be found."""
    generator = random.Random(0)
    pieces: list[str] = []
    while len(pieces) < count:
        lines = generator.choice(texts).splitlines(keepends=True)
        start = generator.randrange(max(1, len(lines) - LINES))
        piece = "".join(lines[start : start + LINES])
        if len(normalised(piece)) >= GUARANTEE:
            pieces.append(piece)
    return pieces


def timed(ask: Callable[[str], list[Any]], pieces: list[str]) -> tuple[list[tuple[str, list[Any]]], list[Spent]]:
    """Each piece with its answer, and what each took."""
    answers: list[tuple[str, list[Any]]] = []
    spent: list[Spent] = []
    for piece in pieces:
        started, used = time.perf_counter(), time.process_time()
        answers.append((piece, ask(piece)))
        spent.append(Spent(time.perf_counter() - started, time.process_time() - used))
    return answers, spent


if __name__ == "__main__":
    main()
