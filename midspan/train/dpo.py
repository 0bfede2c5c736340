"""Stage `dpo`: direct preference optimisation (arXiv 2305.18290) on the pairs of stage `prefer`.

The reference is the fine-tuned model the training starts from. Its log-probabilities of all pairs are computed once,
before the first step, and kept for resuming; after that only the policy runs.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from midspan.errors import MidspanError
from midspan.model.checkpoint import load_hf
from midspan.recipe.disk import sync
from midspan.recipe.schema import DpoConfig
from midspan.recipe.stage import Metrics, StageContext
from midspan.train.loop import spread_evenly, train
from midspan.train.losses import dpo_losses, sequence_logprobs
from midspan.train.parallel import Devices
from midspan.train.rows import PADDING, Batch, Rows, Segment, write_rows
from midspan.train.setup import prepare


@dataclass(frozen=True)
class PairBatch(Batch):
    """Rows come in twos, chosen then rejected; `reference` [B] are the log-probabilities under the reference."""

    reference: Tensor

    def to(self, device: torch.device) -> "PairBatch":
        """The same batch on `device`."""
        rows = super().to(device)
        return PairBatch(**vars(rows), reference=self.reference.to(device))


@dataclass(frozen=True)
class Preferences:
    """The objective: rows 2 i and 2 i + 1 are pair i; `order` [steps, pairs per step] says which pairs a step uses."""

    rows: Rows
    order: NDArray[np.int64]
    reference: NDArray[np.float32]
    config: DpoConfig

    @property
    def steps(self) -> int:
        """See `Objective`."""
        return len(self.order)

    def batches(self, step: int, devices: Devices) -> list[Batch]:
        """See `Objective`; half as many pairs as rows fit into a micro-batch."""
        shares = spread_evenly(self.order[step].tolist(), max(1, self.config.micro_batch // 2), devices)
        return [self.pairs(share) for share in shares]

    def pairs(self, numbers: list[int]) -> PairBatch:
        """The batch of these pairs, -1 for padding."""
        both = [row for number in numbers for row in ((2 * number, 2 * number + 1) if number >= 0 else (-1, -1))]
        rows = self.rows.batch(both)
        reference = torch.from_numpy(self.reference[np.maximum(both, 0)])
        present = sum(number >= 0 for number in numbers)
        return PairBatch(**{**vars(rows), "count": present}, reference=reference)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """See `Objective`: the DPO loss and, weighted, the chosen side's negative log-likelihood per token."""
        assert isinstance(batch, PairBatch)
        logprobs, tokens = sequence_logprobs(model, batch)
        ratios = logprobs - batch.reference
        present = tokens[0::2] > 0
        losses, chosen, rejected = dpo_losses(
            ratios[0::2], ratios[1::2], tokens[0::2], tokens[1::2], beta=self.config.beta, kind=self.config.loss
        )
        likelihood = -logprobs[0::2] / tokens[0::2].clamp(min=1)
        total = (torch.where(present, losses + self.config.sft_weight * likelihood, 0.0)).sum()
        logged = {
            "reward_chosen": chosen,
            "reward_rejected": rejected,
            "margin": chosen - rejected,
            "accuracy": (chosen > rejected).float(),
        }
        return total, {name: value.detach()[present].sum().item() for name, value in logged.items()}


def run(context: StageContext) -> Metrics:
    """Train on pairs of `tokens` tokens together, both sides counted; writes `hf/` and `metrics.jsonl`."""
    config = context.recipe.dpo
    setup = prepare(context, config)
    end_id = setup.tokenizer.special(setup.format.end)
    with setup.devices.first_goes_first():
        rows = write_rows(
            pair_rows(context.inputs["prefer"] / "pairs.parquet", setup.width),
            setup.width,
            end_id,
            context.resume / "rows",
        )
    if not len(rows):
        raise MidspanError(
            f"none of the preference pairs fits into dpo.sequence_length {config.sequence_length}",
            "raise it, or raise prefer.cases",
        )
    lengths = (rows.flags[:, 1:] & PADDING == 0).sum(axis=1).reshape(-1, 2).sum(axis=1)
    order = pair_order(lengths, config, context.recipe.seed)
    model = load_hf(context.inputs["sft"] / "hf").to(setup.devices.device)
    path = context.resume / "reference.npy"
    with setup.devices.first_goes_first():
        if not path.is_file():
            _save(reference_logprobs(model, rows, config.micro_batch, setup.devices), path)
    objective = Preferences(rows, order, np.load(path), config)
    metrics = train(context, "dpo", config, model, objective, setup.validation, setup.devices, setup.tokenizer_json)
    return {**metrics, "pairs": len(lengths)}


def pair_rows(path: Path, width: int) -> Iterator[list[Segment]]:
    """Two rows for every pair that fits; only the completions count."""
    for batch in pq.ParquetFile(path).iter_batches(columns=["prompt_ids", "chosen_ids", "rejected_ids"]):
        for pair in batch.to_pylist():
            prompt, sides = pair["prompt_ids"], (pair["chosen_ids"], pair["rejected_ids"])
            if all(side and len(prompt) + len(side) <= width for side in sides):
                for side in sides:
                    yield [Segment([*prompt, *side], counted_from=len(prompt))]


def pair_order(lengths: NDArray[np.int64], config: DpoConfig, seed: int) -> NDArray[np.int64]:
    """Pairs of every step [steps, pairs per step], from as many epochs as `config.tokens` takes; -1 fills the last."""
    per_step = max(1, round(config.batch_tokens / lengths.mean()))
    chosen: list[int] = []
    used = 0
    for epoch in count():
        keys = {pair: hashlib.sha256(f"{seed}\0{epoch}\0{pair}".encode()).digest() for pair in range(len(lengths))}
        for pair in sorted(keys, key=keys.__getitem__):
            if used >= config.tokens:
                return np.array(chosen + [-1] * (-len(chosen) % per_step), np.int64).reshape(-1, per_step)
            chosen.append(pair)
            used += int(lengths[pair])
    raise AssertionError("unreachable")


def reference_logprobs(model: nn.Module, rows: Rows, micro_batch: int, devices: Devices) -> NDArray[np.float32]:
    """Log-probability of every row's completion under `model`."""
    found = []
    with torch.no_grad(), devices.autocast():
        for start in range(0, len(rows), micro_batch):
            batch = rows.batch(range(start, min(start + micro_batch, len(rows)))).to(devices.device)
            found.append(sequence_logprobs(model, batch)[0].float().cpu().numpy())
    return np.concatenate(found)


def _save(array: NDArray[np.float32], path: Path) -> None:
    aside = path.with_name("reference.partial.npy")
    np.save(aside, array)
    sync(aside)
    aside.replace(path)
