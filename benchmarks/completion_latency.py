"""Keystroke to suggestion: a typist replayed over a held-out file, on this machine's CPU.

Each keystroke asks for up to 16 tokens. Three ways to answer, on the same prompts, taking turns: our engine with the
cache it keeps between keystrokes, the same engine computing every prompt anew, and transformers' `generate` on the same
weights. Needs the run of `make demo` (or another: --run).

    python benchmarks/completion_latency.py
"""

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM

from midspan.cli.main import guarded
from midspan.context.project import File, Project
from midspan.data.corpus import projects
from midspan.engine.open import open_engine
from midspan.engine.protocol import GenerateRequest
from midspan.prompt.build import make_prompt
from midspan.recipe.summary import run_directory

KEYSTROKES, NEW_TOKENS = 60, 16
WAYS = ("midspan", "midspan, no cache", "transformers")


def main() -> int:
    """Parse, measure, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="demo", help="name or directory of a finished run")
    run = parser.parse_args().run
    return guarded(lambda: asyncio.run(measure(run_directory(run, Path("runs")))))


async def measure(run: Path) -> None:
    """Replay, and print the table."""
    engine = await open_engine(str(run / "export"))
    peer = AutoModelForCausalLM.from_pretrained(run / "export" / "hf", dtype=torch.float32)
    milliseconds: dict[str, list[float]] = {way: [] for way in WAYS}
    cached = prompt_tokens = 0
    name, files = max(projects(run / "data", "test"), key=lambda item: len(item[1]))
    project = Project.of(name, [File(document.path, document.text) for document in files])
    document = max(files, key=lambda document: len(document.text))
    start = document.text.index("\n", len(document.text) // 2) + 1
    try:
        for typed in range(KEYSTROKES):
            prompt = make_prompt(
                engine.tokenizer,
                engine.format,
                project,
                path=document.path,
                prefix=document.text[: start + typed],
                suffix=document.text[start + KEYSTROKES :],
                strategy=engine.prompt_config.strategy,
                config=engine.prompt_config,
            )
            # The uncached request goes last: what it leaves in the cache is what the next keystroke would find anyway.
            for way in ("midspan", "transformers", "midspan, no cache"):
                begun = time.perf_counter()
                if way == "transformers":
                    ids = torch.tensor([prompt.ids])
                    peer.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False)
                else:
                    request = GenerateRequest(
                        prompt=prompt.ids,
                        max_tokens=NEW_TOKENS,
                        starts_with=prompt.healed,
                        reuse_cache=way == "midspan",
                    )
                    generation = await engine.generate(request)
                    if way == "midspan" and typed:
                        cached += generation.cached_tokens
                        prompt_tokens += generation.prompt_tokens
                if typed:
                    milliseconds[way].append((time.perf_counter() - begun) * 1_000)
    finally:
        await engine.close()
    table = Table(title=f"{engine.name}: {KEYSTROKES - 1} keystrokes in {name}/{document.path}")
    for column in ("way", "p50 ms", "p90 ms", "ratio of p50"):
        table.add_column(column, justify="left" if column == "way" else "right")
    base = statistics.median(milliseconds["midspan"])
    for way in WAYS:
        median, p90 = statistics.median(milliseconds[way]), statistics.quantiles(milliseconds[way], n=10)[8]
        table.add_row(way, f"{median:.0f}", f"{p90:.0f}", f"{median / base:.1f}")
    Console().print(table)
    print(f"prompt tokens from the cache: {cached / prompt_tokens:.1%}")


if __name__ == "__main__":
    sys.exit(main())
