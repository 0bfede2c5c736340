"""How soon a newer request goes ahead of an older one whose prompt is being read, and what that costs in reading speed.

For batches of several sizes: the tokens per second at which a cold prompt is read, and for a reading that is cancelled
in its middle the milliseconds until a newer request of the same document is at work (its whole time without what
llama.cpp says that it took itself). The size that the engine chooses is marked; the peer is llama.cpp's default, 512.

    python benchmarks/cancellation.py
"""

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import sys
import time
from functools import partial
from pathlib import Path

from random_model import random_model
from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.engine.llama_cpp import DEFAULT_PATIENCE, LlamaCppEngine, batch_tokens
from midspan.engine.llama_cpp_process import Settings
from midspan.engine.protocol import GenerateRequest, default_prompt
from midspan.model.gguf_tokenizer import read_tokenizer
from midspan.prompt.formats import FORMATS

sys.path.append(str(Path(__file__).parent.parent / "tests" / "engine"))

from tiny_model import smollm2

CONTEXT, PROMPT, ROUNDS = 1_536, 1_200, 10
DEFAULT_BATCH = 512
MODELS = {"mini-32M": partial(random_model, "mini"), "SmolLM2-135M": smollm2}


def main() -> int:
    """Measure, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    models = parser.parse_args().models
    return guarded(lambda: asyncio.run(measure(models)))


async def measure(models: list[str]) -> None:
    """Print a table for each model."""
    for name in models:
        model = MODELS[name]()
        chosen = batch_tokens(model.stat().st_size)
        table = Table(title=name)
        for column in ("batch", "read tokens/s", "of the default's", "wait p50 ms", "wait max ms"):
            table.add_column(column, justify="right")
        rows = {}
        for batch in sorted({chosen // 2, chosen, 2 * chosen, 4 * chosen, DEFAULT_BATCH}):
            rows[batch] = await one_size(model, batch)
        for batch, (speed, waits) in rows.items():
            table.add_row(
                *(f"{batch} {'(ours)' if batch == chosen else ''}", f"{speed:.0f}"),
                *(f"{speed / rows[DEFAULT_BATCH][0]:.0%}", f"{statistics.median(waits):.0f}", f"{max(waits):.0f}"),
            )
        Console().print(table)
    print("load:", *(f"{value:.1f}" for value in os.getloadavg()))


async def one_size(model: Path, batch: int) -> tuple[float, list[float]]:
    """Tokens read per second, and the waits in milliseconds."""
    tokenizer = read_tokenizer(model)
    settings = Settings(str(model), CONTEXT, batch_tokens=batch)
    engine = LlamaCppEngine("", tokenizer, FORMATS["mellum"], default_prompt(CONTEXT), settings, DEFAULT_PATIENCE)
    chance = random.Random(0)
    speeds, waits = [], []
    try:
        for _ in range(ROUNDS):
            ids = [chance.randrange(300, 16_000) for _ in range(PROMPT)]
            if len(speeds) < ROUNDS // 2:
                cold = await engine.generate(GenerateRequest(ids, 1, document="a"))
                speeds.append(PROMPT / cold.prompt_ms * 1_000)
                continue
            reading = asyncio.create_task(engine.prefill(GenerateRequest(ids, 1, document="a")))
            await asyncio.sleep(PROMPT / statistics.median(speeds) * chance.uniform(0.2, 0.7))
            started = time.perf_counter()
            reading.cancel()
            newer = await engine.generate(GenerateRequest(ids[:20], 1, document="a"))
            waits.append((time.perf_counter() - started) * 1_000 - newer.prompt_ms - newer.generate_ms)
            with contextlib.suppress(asyncio.CancelledError):
                await reading
    finally:
        await engine.close()
    return statistics.median(speeds), waits


if __name__ == "__main__":
    sys.exit(main())
