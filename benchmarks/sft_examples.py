"""Fine-tuning examples with full project context: how many per second and core, and what remembering is worth.

One process, one thread. Documents of a real project are cut, their context ranked, packed and printed as tokens by the
code that training runs. The peer is the same loop that reads the project anew for each example.

    python benchmarks/sft_examples.py [--examples 600]
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

# Before anything imports them: these libraries read it once.
os.environ |= {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

from projects import project_folder
from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.context.project import File, Project
from midspan.data.corpus import Document
from midspan.fim.split import document_rng
from midspan.model.tokenizer import train_tokenizer
from midspan.prompt.formats import FORMATS
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.load import load_recipe
from midspan.syntax.languages import language_of
from midspan.train.examples import ExampleMaker
from midspan.train.packing import document_id, shuffled

PROJECT = "django"
STRATEGIES = ("iou", "path_distance", "rag", "coverage", "mixed")
NAIVE_EXAMPLES = 5


def main() -> int:
    """Parse, measure, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=600)
    examples = parser.parse_args().examples
    return guarded(lambda: run(examples))


def run(examples: int) -> None:
    """Print the table."""
    root = project_folder(PROJECT)
    documents = list(read(root))
    texts = [document.text for document in documents]
    tokenizer = Tokenizer.from_json(train_tokenizer(iter(texts), 8_192).to_str())
    size = sum(map(len, texts))
    table = Table(title=f"{PROJECT}: {len(documents):,} documents, {size / 1e6:.1f} MB, prompts of up to 1,280 tokens")
    for column in ("strategy", "first pass /s", "further passes /s", "read anew /s", "ratio"):
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for strategy in STRATEGIES:
        recipe = load_recipe("tiny")
        chosen = {} if strategy == "mixed" else {"strategies": {strategy: 1.0}}
        sft = recipe.sft.model_copy(update=chosen)
        maker = ExampleMaker(tokenizer, FORMATS["mellum"], recipe.fim, recipe.prompt, sft, seed=0)
        project = Project.of(PROJECT, [File(document.path, document.text) for document in documents])
        first = rate(maker, documents, project, examples)
        further = rate(maker, documents, project, examples)
        naive = rate(maker, documents, root, NAIVE_EXAMPLES)
        ratio = f"{further / naive:,.0f}"
        table.add_row(strategy, f"{first:,.0f}", f"{further:,.0f}", f"{naive:.2f}", ratio)
    Console().print(table)


def rate(maker: ExampleMaker, documents: list[Document], project: Project | Path, examples: int) -> float:
    """Examples per second; a path is read anew for each."""
    started = time.perf_counter()
    made = 0
    for epoch in count():
        for document in shuffled(documents, maker.seed, epoch):
            rng = document_rng(maker.seed, epoch, document_id(document))
            made += (
                maker.make(document, read_project(project) if isinstance(project, Path) else project, rng) is not None
            )
            if made == examples:
                return made / (time.perf_counter() - started)
    raise AssertionError("unreachable")


def read(root: Path) -> Iterator[Document]:
    """The project's files of known languages."""
    for path in sorted(root.rglob("*")):
        language = language_of(path.name)
        if path.is_file() and language is not None:
            text = path.read_text(encoding="utf-8", errors="ignore")
            name = path.relative_to(root).as_posix()
            yield Document(PROJECT, name, language.name, text, "BSD-3-Clause", "PyPI", name, "train")


def read_project(root: Path) -> Project:
    """The project without any memory."""
    return Project.of(PROJECT, [File(document.path, document.text) for document in read(root)])


if __name__ == "__main__":
    sys.exit(main())
