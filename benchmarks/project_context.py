"""Project context: how fast are the index and the strategies, and do they bring the names that are needed?

Speed: a project of 2,000 files and 20 MB, and one of ten times the files, indexed in a fresh process: first start, warm
start, one changed file, 95th percentiles of queries at random carets, memory of the process.

Worth: carets drawn as in fine-tuning over four projects; every strategy fills the same token budget through the same
packing. *Identifier recall* is the share of the true middle's identifiers that occur in the packed context but not in
the file itself. The peer is BM25 by the package bm25s over the same windows and the same text around the caret.

    python benchmarks/project_context.py [--cases 200] [--part speed|worth]
"""

import argparse
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bm25s
from projects import project_folder
from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.context.caret import Caret
from midspan.context.index import Index
from midspan.context.layout import directory_of
from midspan.context.lines import split_lines
from midspan.context.project import Chunk, Project
from midspan.context.similarity import LINES, WINDOW_LINES, WINDOW_STEP, WORD, WORDS, window_tokens
from midspan.context.strategies import rank
from midspan.fim.split import document_rng
from midspan.fim.syntax import syntax_split
from midspan.model.tokenizer import train_tokenizer
from midspan.prompt.build import build_prompt, context_budget
from midspan.prompt.formats import FORMATS
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import FimConfig, PromptConfig, Strategy
from midspan.syntax.languages import language_of

STRATEGIES: tuple[Strategy, ...] = ("iou", "path_distance", "rag", "coverage")
SIZES = {
    "2,000 files": (("sympy", 1_000, 15_000_000), ("django", 1_000, 5_000_000)),
    "20,000 files": (("homeassistant", 20_000, 200_000_000),),
}
"""Parts of a project: where its files come from, how many files and bytes at most."""
WORTH_PROJECTS = ("sympy", "django", "three", "rxjs")
CODE = {"python", "javascript", "typescript", "tsx"}
QUERIES = 300
CONFIG = PromptConfig(max_tokens=4_096)


def main() -> int:
    """Parse, measure, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200, help="carets per project")
    parser.add_argument("--part", choices=["speed", "worth"], help="only one of the two questions")
    parser.add_argument("--measure", nargs=3, metavar=("ROOT", "CACHE", "TOKENIZER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*map(Path, options.measure))))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        return guarded(lambda: run(Path(scratch), options.part, options.cases))


def run(scratch: Path, part: str | None, cases: int) -> None:
    """Both parts, or the one asked for."""
    if part != "worth":
        speed(scratch)
    if part != "speed":
        worth(cases)


def speed(scratch: Path) -> None:
    """Print the table of times."""
    figures = {}
    for title, parts in SIZES.items():
        root = scratch / title
        for name, files, size in parts:
            take(project_folder(name), root / name, files, size)
        tokenizer = scratch / f"{title}.json"
        texts = (file.text for file in Index.open(root, cache=scratch / "once").project.files.values())
        train_tokenizer(first_bytes(texts, 6_000_000), 8_192).save(str(tokenizer))
        command = [sys.executable, __file__, "--measure", str(root), str(scratch / "cache"), str(tokenizer)]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2)]
        first, warm = runs
        figures[title] = {
            "files": f"{first['files']:,}",
            "megabytes of text": f"{first['megabytes']:.1f}",
            "first index, s": f"{first['seconds']:.2f}",
            "warm start, s": f"{warm['seconds']:.2f} (first query {warm['first_query']:.2f})",
            "one changed file, ms": f"{warm['changed_ms']:.1f}",
            **{f"{each}, p50 / p95 ms": "{:.1f} / {:.1f}".format(*warm["queries"][each]) for each in STRATEGIES},
            "memory of the process, MB": f"{first['memory_mb']:.0f} / {warm['memory_mb']:.0f} (first / warm)",
        }
    table = Table(title="Index and queries")
    table.add_column("", no_wrap=True)
    for title in figures:
        table.add_column(title, justify="right")
    for row in next(iter(figures.values())):
        table.add_row(row, *(column[row] for column in figures.values()))
    Console(width=100).print(table)


def measure(root: Path, cache: Path, tokenizer_file: Path) -> dict[str, object]:
    """One start in this process: open, prepare every feature, change a file, ask."""
    tokenizer = Tokenizer.load(tokenizer_file)
    started = time.perf_counter()
    index = Index.open(root, cache=cache)
    index.prepare([LINES, WORDS, window_tokens(tokenizer)])
    seconds = time.perf_counter() - started
    project = index.project
    rng = random.Random(0)
    started = time.perf_counter()
    rank(project, "new.py", "import os\n", "", "coverage", encoder=tokenizer, token_budget=2_048)
    first_query = time.perf_counter() - started
    paths = [path for path, file in project.files.items() if file.size > 500]
    queries = {strategy: ask(project, paths, strategy, tokenizer, rng) for strategy in STRATEGIES}
    changes = []
    for path in rng.sample(paths, 20):
        (root / path).write_text(project.files[path].text + "\n", encoding="utf-8", newline="")
        started = time.perf_counter()
        index.refresh([path])
        index.prepare([LINES, WORDS, window_tokens(tokenizer)])
        changes.append((time.perf_counter() - started) * 1_000)
    return {
        "files": len(project.files),
        "megabytes": sum(file.size for file in project.files.values()) / 1e6,
        "seconds": seconds,
        "first_query": first_query,
        "changed_ms": statistics.median(changes),
        "queries": queries,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def ask(
    project: Project, paths: list[str], strategy: Strategy, tokenizer: Tokenizer, rng: random.Random
) -> tuple[float, float]:
    """Median and 95th percentile, in milliseconds, of queries at random carets of random files."""
    times = []
    for path in [rng.choice(paths) for _ in range(QUERIES + 10)]:
        text = project.files[path].text
        caret = rng.randrange(len(text))
        started = time.perf_counter()
        rank(project, path, text[:caret], text[caret:], strategy, encoder=tokenizer, token_budget=2_048)
        times.append((time.perf_counter() - started) * 1_000)
    times = times[10:]  # the first ones load what a process loads once
    return statistics.median(times), statistics.quantiles(times, n=20)[18]


def worth(count: int) -> None:
    """Print the table of identifier recall."""
    table = Table(title=f"Identifier recall at {context_budget(CONFIG):,} tokens of context")
    for column in ("project", "carets", "none", "BM25 (bm25s)", *STRATEGIES, "coverage : BM25"):
        table.add_column(column, justify="left" if column == "project" else "right")
    table_ms = Table(title="Milliseconds per query (mean, ranking alone)")
    for column in ("project", "BM25 (bm25s)", *STRATEGIES):
        table_ms.add_column(column, justify="left" if column == "project" else "right")
    for name in WORTH_PROJECTS:
        with tempfile.TemporaryDirectory() as cache:
            index = Index.open(project_folder(name), cache=Path(cache))
            project = index.project
            texts = (file.text for file in project.files.values())
            tokenizer = Tokenizer.from_json(train_tokenizer(first_bytes(texts, 6_000_000), 8_192).to_str())
            index.prepare([LINES, WORDS, window_tokens(tokenizer)])
            recall, milliseconds = compare(project, tokenizer, list(carets(project, count)))
            index.close()
        shares = [f"{100 * recall[way]:.1f} %" for way in ("bm25", *STRATEGIES)]
        table.add_row(name, str(count), "0.0 %", *shares, f"{recall['coverage'] / recall['bm25']:.2f}")
        table_ms.add_row(name, *(f"{milliseconds[way]:.1f}" for way in ("bm25", *STRATEGIES)))
    Console(width=120).print(table)
    Console(width=120).print(table_ms)


def compare(
    project: Project, tokenizer: Tokenizer, cases: list[tuple[str, str, str, str]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Recall and mean milliseconds of every way, over (path, prefix, middle, suffix)."""
    peer = Bm25(project)

    def ours(strategy: Strategy) -> Callable[[str, str, str], list[Chunk]]:
        budget = context_budget(CONFIG)
        return lambda path, prefix, suffix: rank(
            project, path, prefix, suffix, strategy, encoder=tokenizer, token_budget=budget
        )

    ways = {"bm25": peer.rank, **{strategy: ours(strategy) for strategy in STRATEGIES}}
    found, seconds, wanted = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0.0), 0
    for path, prefix, middle, suffix in cases:
        names = set(WORD.findall(middle))
        wanted += len(names)
        missing = names - set(WORD.findall(prefix + "\n" + suffix))
        for way, ranked in ways.items():
            started = time.perf_counter()
            chunks = ranked(path, prefix, suffix)
            seconds[way] += time.perf_counter() - started
            prompt = build_prompt(
                tokenizer, FORMATS["mellum"], path=path, prefix=prefix, suffix=suffix, chunks=chunks, config=CONFIG
            )
            context = "\n".join(part.text for part in prompt.parts if part.kind == "context")
            found[way] += len(missing & set(WORD.findall(context)))
    return (
        {way: number / wanted for way, number in found.items()},
        {way: 1_000 * spent / len(cases) for way, spent in seconds.items()},
    )


class Bm25:
    """The peer: bm25s with its defaults over the same windows, asked with the same lines around the caret."""

    def __init__(self, project: Project) -> None:
        self.windows: list[tuple[str, int, str]] = []
        for path, file in project.files.items():
            lines = split_lines(file.text)
            for first in range(0, max(1, len(lines) - WINDOW_STEP), WINDOW_STEP):
                self.windows.append((path, first, "".join(lines[first : first + WINDOW_LINES])))
        self.index = bm25s.BM25()
        corpus = bm25s.tokenize([text for _, _, text in self.windows], stopwords=None, show_progress=False)
        self.index.index(corpus, show_progress=False)

    def rank(self, path: str, prefix: str, suffix: str) -> list[Chunk]:
        """The best windows of other files, none overlapping a better one."""
        query = "".join(Caret.at(path, prefix, suffix).around)
        tokens = bm25s.tokenize([query], stopwords=None, show_progress=False, return_ids=False)
        if not tokens[0]:
            return []
        documents, scores = self.index.retrieve(tokens, k=min(400, len(self.windows)), show_progress=False)
        chosen: list[Chunk] = []
        for number, score in zip(documents[0], scores[0], strict=True):
            where, first, text = self.windows[number]
            if where != path and not any(
                where == other.path and abs(first - other.first_line) < WINDOW_LINES for other in chosen
            ):
                chosen.append(Chunk(where, text, first, float(score), "BM25"))
        return chosen[:60]


def carets(project: Project, count: int) -> Iterator[tuple[str, str, str, str]]:
    """(path, prefix, middle, suffix) cut as in fine-tuning, in files drawn at random."""
    paths = [
        path
        for path, file in project.files.items()
        if (language := language_of(path)) and language.name in CODE and file.size > 400
    ]
    rng = random.Random(0)
    made = 0
    while made < count:
        path = rng.choice(paths)
        split = syntax_split(project.files[path].text, language_of(path), document_rng(0, made, path), FimConfig())
        if split is not None and len(split.middle.strip()) >= 10:
            made += 1
            yield path, split.prefix, split.middle, split.suffix


def take(source: Path, target: Path, files: int, size: int) -> None:
    """A copy of the first `files` text files of a project, of at most `size` bytes together; directories go whole."""
    room, taken = size, 0
    for path in sorted(source.rglob("*"), key=lambda path: (directory_of(path.as_posix()), path.name)):
        if path.is_file() and path.suffix in {".py", ".json", ".md", ".rst", ".yaml", ".txt", ".toml"}:
            room -= path.stat().st_size
            taken += 1
            if room < 0 or taken > files:
                break
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def first_bytes(texts: Iterator[str], limit: int) -> Iterator[str]:
    """Texts until `limit` characters are reached."""
    for text in texts:
        yield text
        limit -= len(text)
        if limit < 0:
            return


if __name__ == "__main__":
    sys.exit(main())
