"""Quality signals: megabytes of source text per second on one core, for each group of signals and all together.

The text is that of the Python packages installed here, drawn at random. Peer, in the same run: the signals of
repetition by their plain definition, with tuples and counters, as RedPajama and OpenCoder compute them.

    python benchmarks/data_signals.py [--files 3000]
"""

import argparse
import random
import re
import sys
import sysconfig
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.data.filters.characters import characters
from midspan.data.filters.code import code
from midspan.data.filters.lexer import lex
from midspan.data.filters.lines import lines
from midspan.data.filters.origin import origin
from midspan.data.filters.repetition import repetitions
from midspan.data.filters.signals import cheap_signals, dear_signals
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import error_count

PLAIN_FILES = 300
"""The peer is slow: it measures so many files."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=3_000)
    options = parser.parse_args()
    return guarded(lambda: _run(options.files))


def _run(count: int) -> None:
    paths = sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py"))
    random.Random(0).shuffle(paths)
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths[:count]]
    size = sum(len(text.encode()) for text in texts) / 1e6
    languages = ["python"] * len(texts)
    table = Table("signals", "MB/s", title=f"{len(texts):,} files, {size:.1f} MB, CPU time of one core")
    speeds = {
        "characters": _speed(texts, lambda text: characters(text, text.encode())),
        "lines": _speed(texts, lines),
        "origin": _speed(texts, lambda text: origin(text, "a/b.py", "python", 30.0)),
        "cheap ones, together": _speed(texts, lambda text: cheap_signals(text, "a/b.py", "python")),
        "comments and strings": _speed(texts, lambda text: lex(text, "python")),
        "code, comments and strings included": _speed(texts, lambda text: code(text, "python", lex(text, "python"))),
        "repetition": _speed_together(texts, lambda: repetitions([text.encode() for text in texts])),
        "parse errors": _speed(texts, lambda text: error_count(text.encode(), LANGUAGES["python"])),
        "dear ones but parse errors": _speed_together(texts, lambda: dear_signals(texts, languages, parse=False)),
        "dear ones": _speed_together(texts, lambda: dear_signals(texts, languages, parse=True)),
        "repetition, plain definition": _speed(texts[:PLAIN_FILES], _plain_repetition),
    }
    for name, speed in speeds.items():
        table.add_row(name, f"{speed:.1f}")
    Console(width=100).print(table)
    ratio = speeds["repetition"] / speeds["repetition, plain definition"]
    print(f"repetition, ratio to its plain definition: {ratio:.1f}")


def _speed(texts: list[str], measure: Callable[[str], object]) -> float:
    size = sum(len(text.encode()) for text in texts)
    started = time.process_time()
    for text in texts:
        measure(text)
    return size / 1e6 / (time.process_time() - started)


def _speed_together(texts: list[str], measure: Callable[[], Iterable[object]]) -> float:
    started = time.process_time()
    deque(measure(), maxlen=0)
    return sum(len(text.encode()) for text in texts) / 1e6 / (time.process_time() - started)


def _plain_repetition(text: str) -> list[float]:
    words = re.findall(r"[A-Za-z0-9\x80-\U0010ffff]+", text.lower())
    total = sum(map(len, words)) or 1
    shares = []
    for size in (2, 3, 4, 5, 6, 10):
        runs = [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]
        counts = Counter(runs)
        if size < 5:
            (top, times), *_ = counts.most_common(1) or [((), 0)]
            shares.append(times * sum(map(len, top)) / total)
        else:
            covered = {place + offset for place, run in enumerate(runs) if counts[run] > 1 for offset in range(size)}
            shares.append(sum(len(words[place]) for place in covered) / total)
    return shares


if __name__ == "__main__":
    sys.exit(main())
