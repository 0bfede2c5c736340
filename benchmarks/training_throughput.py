"""Training speed on this machine: our Llama and its packed batches beside transformers' Llama on padded ones.

Same shape (`nano`), same files, same optimizer (AdamW), same tokens in a step; rounds alternate, the medians count.
Two figures: tokens per second on full rows (the model alone), and *useful* tokens per second on real files, where we
pack under a document mask and the peer pads each batch to its longest file.

    python benchmarks/training_throughput.py
"""

import random
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from midspan.model.llama import Llama
from midspan.recipe.load import load_recipe
from midspan.train.losses import cross_entropy_sum
from midspan.train.packing import best_fit
from midspan.train.rows import Batch, Segment, write_rows

ROWS, LENGTH, ROUNDS = 8, 512, 9
PACKAGE = "rich"
PAD = 0
BYTES_PER_TOKEN = 3


def main() -> None:
    """Measure and print."""
    recipe = load_recipe("nano")
    vocab = recipe.tokenizer.vocab_size
    ours = Llama(recipe.model, vocab)
    ours.initialise(0)
    peer = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocab,
            hidden_size=recipe.model.hidden_size,
            intermediate_size=recipe.model.mlp_size,
            num_hidden_layers=recipe.model.layers,
            num_attention_heads=recipe.model.heads,
            num_key_value_heads=recipe.model.kv_heads,
            max_position_embeddings=recipe.model.context_length,
            tie_word_embeddings=recipe.model.tie_embeddings,
        )
    )
    generator = torch.Generator().manual_seed(0)
    full = torch.randint(vocab, (ROWS, LENGTH + 1), generator=generator)
    documents = real_files()
    random.Random(0).shuffle(documents)
    packed, padded = packed_batches(documents), padded_batches(documents)
    steps: dict[str, tuple[Callable[[], None], Callable[[], None], int]] = {
        "full rows": (
            our_step(ours, [as_batch(full)]),
            peer_step(peer, [(full, torch.ones_like(full))]),
            ROWS * LENGTH,
        ),
        "real files": (
            our_step(ours, packed),
            peer_step(peer, padded),
            sum(batch.tokens for batch in packed),
        ),
    }
    table = Table(title=f"nano, {torch.get_num_threads()} threads, medians of {ROUNDS} rounds")
    for column in ("input", "midspan, tokens/s", "transformers, tokens/s", "ratio"):
        table.add_column(column, justify="left" if column == "input" else "right")
    for name, (ours_once, peer_once, tokens) in steps.items():
        our_seconds, peer_seconds = alternate(ours_once, peer_once)
        table.add_row(
            name,
            f"{tokens / our_seconds:,.0f}",
            f"{tokens / peer_seconds:,.0f}",
            f"{peer_seconds / our_seconds:.2f}",
        )
    Console().print(table)


def real_files() -> list[list[int]]:
    """Files of a real package as token ids, cut at LENGTH: every third byte, as a token stands for about three."""
    folder = Path(sysconfig.get_paths()["purelib"]) / PACKAGE
    texts = [path.read_bytes()[::BYTES_PER_TOKEN] for path in sorted(folder.rglob("*.py"))]
    return [list(text[:LENGTH]) for text in texts if len(text) > 1]


def as_batch(ids: Tensor) -> Batch:
    """Full rows without documents."""
    return Batch(ids[:, :-1], ids[:, 1:], None, ids[:, :-1].numel(), ids[:, 1:].numel())


def packed_batches(documents: list[list[int]]) -> list[Batch]:
    """Our way: best-fit packing, ROWS rows a batch."""
    with tempfile.TemporaryDirectory() as folder:
        rows = write_rows(
            best_fit((Segment(ids) for ids in documents), LENGTH + 1), LENGTH + 1, PAD, Path(folder) / "rows"
        )
        return [rows.batch(list(range(start, min(start + ROWS, len(rows))))) for start in range(0, len(rows), ROWS)]


def padded_batches(documents: list[list[int]]) -> list[tuple[Tensor, Tensor]]:
    """The usual way: ROWS files a batch, padded to the longest; (ids, attention mask)."""
    batches = []
    for start in range(0, len(documents), ROWS):
        chosen = documents[start : start + ROWS]
        width = max(map(len, chosen))
        ids = torch.tensor([ids + [PAD] * (width - len(ids)) for ids in chosen])
        mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in chosen])
        batches.append((ids, mask))
    return batches


def our_step(model: Llama, batches: list[Batch]) -> Callable[[], None]:
    """Forward, backward and AdamW over all batches."""
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        for batch in batches:
            (cross_entropy_sum(model, batch) / batch.count).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return step


def peer_step(model: LlamaForCausalLM, batches: list[tuple[Tensor, Tensor]]) -> Callable[[], None]:
    """The same for the peer."""
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        for ids, mask in batches:
            logits = model(input_ids=ids[:, :-1], attention_mask=mask[:, :-1]).logits
            labels = ids[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
            cross_entropy(logits.flatten(0, 1), labels.flatten()).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return step


def alternate(first: Callable[[], None], second: Callable[[], None]) -> tuple[float, float]:
    """Median seconds of each, the two taking turns after one warm-up."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for round_ in range(ROUNDS + 1):
        for run, kept in ((first, seconds[0]), (second, seconds[1])):
            start = time.perf_counter()
            run()
            if round_:
                kept.append(time.perf_counter() - start)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


if __name__ == "__main__":
    main()
