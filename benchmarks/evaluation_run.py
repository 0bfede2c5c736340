"""How long an evaluation takes: 500 cases, the embedded engine, random weights of a preset.

Time does not depend on what the weights are, but for where a generation ends; a random model seldom ends by itself, so
most are as long as they may be or as the completion logic lets them. The cases are cut from this Python's library, each
module's neighbours being its project. The peer is the same evaluation asking one case at a time.

    python benchmarks/evaluation_run.py [--preset tiny] [--cases 500] [--new-tokens 64]
"""

import argparse
import asyncio
import hashlib
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from random_model import library_files, random_model
from rich.console import Console

from midspan.data.cases import draw_cases
from midspan.data.corpus import Document
from midspan.engine.open import open_engine
from midspan.evaluate.answers import ask
from midspan.evaluate.report import build_report
from midspan.evaluate.report_page import write_page
from midspan.evaluate.run import scored
from midspan.evaluate.systems import ModelSystem, Way
from midspan.recipe.progress import Progress
from midspan.recipe.schema import FimConfig

PROJECTS = 12


def main() -> None:
    """Print the seconds of each part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--peer-cases", type=int, default=50)
    arguments = parser.parse_args()
    out = Console(highlight=False)
    model = random_model(arguments.preset)
    for workers, count in ((2, arguments.cases), (1, arguments.peer_cases)):
        if not count:
            continue
        before = processor_seconds()
        seconds, told = asyncio.run(measured(model, workers, count, arguments.new_tokens))
        told += f"; {(processor_seconds() - before) / count:.2f} processor seconds for each case"
        out.print(
            f"{workers} at a time: {count} cases in {seconds:.0f} s, {seconds / count * 1000:.0f} ms each; {told}"
        )


def processor_seconds() -> float:
    """Of this process and those it has started and seen end: on a busy machine they say more than the clock."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


async def measured(model: Path, workers: int, count: int, new_tokens: int) -> tuple[float, str]:
    """Seconds of asking, and what scoring and the report took."""
    cases = draw_cases(projects, count, FimConfig(), seed=0)
    engine = await open_engine(str(model), slots=workers)
    try:
        with tempfile.TemporaryDirectory() as folder, Progress().task(f"{workers} at a time", len(cases)) as task:
            system = ModelSystem("random", engine, "random", Way(new_tokens))
            started = time.monotonic()
            answers = await ask(system, cases, projects, Path(folder) / "answers.jsonl", workers, task)
            asked = time.monotonic()
            predictions = scored(cases, answers)
            known = time.monotonic()
            systems = {"random": predictions}
            write_page(Path(folder) / "page.html", "page", cases, systems, 0, report=build_report(cases, systems, 0))
            shown = time.monotonic()
    finally:
        await engine.close()
    tokens = sum(answer.completion_tokens for answer in answers) / len(answers)
    told = f"{tokens:.0f} tokens each; scores {known - asked:.1f} s, report and page {shown - known:.1f} s"
    return asked - started, told


def projects() -> Iterator[tuple[str, list[Document]]]:
    """The library's modules, parted among some projects."""
    parts: dict[str, list[Document]] = {}
    for number, file in enumerate(library_files()):
        text, name = file.read_text(encoding="utf-8"), f"part{number % PROJECTS}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        document = Document(name, file.name, "python", text, "PSF-2.0", "", digest, "test")
        parts.setdefault(name, []).append(document)
    yield from sorted(parts.items())


if __name__ == "__main__":
    main()
