"""Stage `dpo`: direct preference optimisation (arXiv 2305.18290) on the pairs of stage `prefer`.

The reference is the fine-tuned model the training starts from. Its log-probabilities of all completions are computed
once, before the first step, by all devices together, and kept for resuming; after that only the policy runs.

What is watched, in `metrics.jsonl`, as means over the pairs of a step (before its update), and with the prefix `valid_`
over pairs held out by case, at every validation:

- `reward_chosen`, `reward_rejected`, `margin` (their difference), `accuracy` (share of pairs with a margin above 0);
- `kl`: nats per token from the reference, estimated as `losses.divergence` says on the tokens of both sides that the
  reference wrote itself: not the true middle where that is chosen, not the end token behind a shortened completion.
  The samples were drawn at several temperatures, mostly below 1, so it leans to what the reference found likely;
- `chosen_tokens`, `rejected_tokens`, and `end_ratio`: the log-probability of ending where the chosen side ends, above
  the reference's. It shows a model that comes to stop earlier or later before its outputs do.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from midspan.errors import MidspanError
from midspan.model.checkpoint import load_hf
from midspan.recipe.disk import sync
from midspan.recipe.progress import Task
from midspan.recipe.schema import DpoConfig
from midspan.recipe.stage import Metrics, StageContext
from midspan.train.loop import Exceeded, spread_evenly, train
from midspan.train.losses import divergence, dpo_losses, sum_by_row, token_logprobs
from midspan.train.parallel import Devices
from midspan.train.rows import COUNTED, PADDING, Batch, Rows, Segment, write_rows
from midspan.train.setup import prepare

MAX_HELD_OUT = 0.1
"""Largest share of the pairs that is held out."""


@dataclass(frozen=True)
class PairBatch(Batch):
    """Rows come in twos, chosen then rejected.

    Of every counted target, row by row: `reference`, its log-probability under the reference, and `written`, whether
    the reference wrote it itself; both [counted].
    """

    reference: Tensor
    written: Tensor

    def to(self, device: torch.device) -> "PairBatch":
        """The same batch on `device`."""
        rows = super().to(device)
        return PairBatch(**vars(rows), reference=self.reference.to(device), written=self.written.to(device))


@dataclass(frozen=True)
class Completions:
    """What is known of the counted targets of all rows, one row after the other; row n's begin at `starts[n]`."""

    starts: NDArray[np.int64]
    reference: NDArray[np.float32]
    written: NDArray[np.bool_]

    def of(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """`reference` and `written` of these rows; -1 stands for a row without any."""
        spans = [np.arange(self.starts[number], self.starts[number + 1]) for number in numbers if number >= 0]
        places = np.concatenate([np.empty(0, np.int64), *spans])
        return torch.from_numpy(self.reference[places]), torch.from_numpy(self.written[places])


@dataclass(frozen=True)
class Preferences:
    """The objective: rows 2 i and 2 i + 1 are pair i; `order` [steps, pairs per step] says which pairs a step uses."""

    rows: Rows
    order: NDArray[np.int64]
    completions: Completions
    config: DpoConfig

    @property
    def steps(self) -> int:
        """See `Objective`."""
        return len(self.order)

    def batches(self, step: int, devices: Devices) -> list[Batch]:
        """See `Objective`."""
        return self.shares(self.order[step].tolist(), devices)

    def shares(self, numbers: list[int], devices: Devices) -> list[Batch]:
        """This rank's batches of these pairs; half as many pairs as rows fit into a micro-batch."""
        shares = spread_evenly(numbers, max(1, self.config.micro_batch // 2), devices)
        return [self.pairs(share) for share in shares]

    def pairs(self, numbers: list[int]) -> PairBatch:
        """The batch of these pairs, -1 for padding."""
        both = [row for number in numbers for row in ((2 * number, 2 * number + 1) if number >= 0 else (-1, -1))]
        reference, written = self.completions.of(both)
        present = sum(number >= 0 for number in numbers)
        rows = {**vars(self.rows.batch(both)), "count": present}
        return PairBatch(**rows, reference=reference, written=written)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """See `Objective`: the DPO loss and, weighted, the chosen side's negative log-likelihood per token."""
        assert isinstance(batch, PairBatch)
        count, config = len(batch.ids), self.config
        logprobs, rows = token_logprobs(model, batch)
        ratios = logprobs - batch.reference
        tokens = sum_by_row(torch.ones_like(ratios), rows, count)
        sums = sum_by_row(ratios, rows, count)
        present = tokens[0::2] > 0
        losses, chosen, rejected = dpo_losses(
            sums[0::2],
            sums[1::2],
            tokens[0::2],
            tokens[1::2],
            beta=config.beta,
            kind=config.loss,
            label_flips=config.label_flips,
        )
        likelihood = -sum_by_row(logprobs, rows, count)[0::2] / tokens[0::2].clamp(min=1)
        total = (torch.where(present, losses + config.sft_weight * likelihood, 0.0)).sum()
        written = batch.written.to(ratios.dtype)
        distances = sum_by_row(divergence(ratios) * written, rows, count).view(-1, 2).sum(dim=1)
        last = torch.diff(rows, append=rows.new_full((1,), -1)) != 0
        logged = {
            "reward_chosen": chosen,
            "reward_rejected": rejected,
            "margin": chosen - rejected,
            "accuracy": (chosen > rejected).float(),
            "kl": distances / sum_by_row(written, rows, count).view(-1, 2).sum(dim=1).clamp(min=1),
            "chosen_tokens": tokens[0::2],
            "rejected_tokens": tokens[1::2],
            "end_ratio": sum_by_row(ratios * last, rows, count)[0::2],
        }
        return total, {name: value.detach()[present].sum().item() for name, value in logged.items()}


@dataclass(frozen=True)
class PairGuard:
    """Measures the pairs `held` and says when the training has gone too far; see `loop.Guard`."""

    objective: Preferences
    held: list[int]

    def measure(self, model: nn.Module, devices: Devices) -> dict[str, float]:
        """See `Guard`."""
        sums: dict[str, float] = {}
        for batch in self.objective.shares(self.held, devices):
            with torch.no_grad(), devices.autocast():
                _, values = self.objective.loss(model, batch.to(devices.device))
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value
        return {f"valid_{name}": devices.sum(value) / len(self.held) for name, value in sums.items()}

    def exceeded(self, row: Mapping[str, float], valid_first: float) -> Exceeded | None:
        """See `Guard`; what is not a number is beyond every limit."""
        config = self.objective.config
        increase = row.get("valid_bits_per_byte", valid_first) - valid_first
        measured = (
            Exceeded("max_kl", row["kl"], config.max_kl),
            Exceeded("max_kl", row.get("valid_kl", 0.0), config.max_kl),
            Exceeded("max_valid_increase", increase, config.max_valid_increase),
        )
        return next((one for one in measured if not one.value <= one.limit), None)


def run(context: StageContext) -> Metrics:
    """Train on pairs of `tokens` tokens together, both sides counted; writes `hf/` and `metrics.jsonl`."""
    config, seed = context.recipe.dpo, context.recipe.seed
    setup = prepare(context, config)
    devices, path = setup.devices, context.inputs["prefer"] / "pairs.parquet"
    end_id = setup.tokenizer.special(setup.format.end)
    with devices.first_goes_first():
        rows = write_rows(pair_rows(path, setup.width), setup.width, end_id, context.resume / "rows")
    if not len(rows):
        raise MidspanError(
            f"none of the preference pairs fits into dpo.sequence_length {config.sequence_length}",
            "raise it, or raise prefer.cases",
        )
    model = load_hf(context.inputs["sft"] / "hf").to(devices.device)
    cached = context.resume / "reference.npy"
    if not cached.is_file():
        with context.progress.task("dpo: reference log-probabilities", len(rows)) as task:
            found = reference_logprobs(model, rows, config.micro_batch, devices, task)
        with devices.first_goes_first():
            if devices.first:
                _save(found, cached)
    held = hold_out([pair["case_id"] for pair in usable_pairs(path, setup.width)], config.valid_pairs, seed)
    lengths = (rows.flags[:, 1:] & PADDING == 0).sum(axis=1).reshape(-1, 2).sum(axis=1)
    trained = np.setdiff1d(np.arange(len(lengths)), held)
    order = pair_order(lengths[trained], config, seed)
    completions = Completions(completion_starts(rows), np.load(cached), written_by_reference(path, setup.width))
    objective = Preferences(rows, np.where(order < 0, -1, trained[order]), completions, config)
    guard = PairGuard(objective, held or list(range(min(config.valid_pairs, len(lengths)))))
    metrics = train(
        context, "dpo", config, model, objective, setup.validation, devices, setup.tokenizer_json, guard=guard
    )
    return {**metrics, "pairs": len(trained), "pairs_held_out": len(held)}


def usable_pairs(path: Path, width: int) -> Iterator[dict[str, Any]]:
    """The pairs of which both sides fit into a row."""
    columns = ["case_id", "prompt_ids", "chosen_ids", "rejected_ids", "chosen_source"]
    for batch in pq.ParquetFile(path).iter_batches(columns=columns):
        for pair in batch.to_pylist():
            sides = pair["chosen_ids"], pair["rejected_ids"]
            if all(side and len(pair["prompt_ids"]) + len(side) <= width for side in sides):
                yield pair


def pair_rows(path: Path, width: int) -> Iterator[list[Segment]]:
    """Two rows for every usable pair; only the completions count."""
    for pair in usable_pairs(path, width):
        for side in (pair["chosen_ids"], pair["rejected_ids"]):
            yield [Segment([*pair["prompt_ids"], *side], counted_from=len(pair["prompt_ids"]))]


def written_by_reference(path: Path, width: int) -> NDArray[np.bool_]:
    """For every token of the completions, in the order of `pair_rows`, whether the reference wrote it itself."""
    marks: list[NDArray[np.bool_]] = []
    for pair in usable_pairs(path, width):
        length = len(pair["chosen_ids"])
        own = {"sampled": length, "shortened": length - 1, "truth": 0}[pair["chosen_source"]]
        marks += [np.arange(length) < own, np.ones(len(pair["rejected_ids"]), bool)]
    return np.concatenate(marks)


def completion_starts(rows: Rows) -> NDArray[np.int64]:
    """Where the counted targets of each row begin among those of all rows; one entry more than rows."""
    counts = (rows.flags[:, 1:] & COUNTED > 0).sum(axis=1)
    return np.concatenate([[0], counts.cumsum()])


def hold_out(cases: Sequence[str], limit: int, seed: int) -> list[int]:
    """Numbers of at most `limit` pairs, and of at most a tenth of all, no case of which has another pair."""
    limit = min(limit, int(MAX_HELD_OUT * len(cases)))
    members: dict[str, list[int]] = {}
    for number, case in enumerate(cases):
        members.setdefault(case, []).append(number)
    held: list[int] = []
    for case in sorted(members, key=lambda case: hashlib.sha256(f"{seed}\0{case}".encode()).digest()):
        if len(held) + len(members[case]) <= limit:
            held += members[case]
    return sorted(held)


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


def reference_logprobs(
    model: nn.Module, rows: Rows, micro_batch: int, devices: Devices, task: Task
) -> NDArray[np.float32]:
    """Log-probabilities of the counted targets of all rows under `model`, row after row.

    The ranks take micro-batches in turn, the same ones however many ranks there are; each needs the whole model.
    """
    starts = completion_starts(rows)
    found = torch.zeros(int(starts[-1]), device=devices.device)
    with torch.no_grad(), devices.autocast():
        for number, start in enumerate(range(0, len(rows), micro_batch)):
            end = min(start + micro_batch, len(rows))
            if number % devices.world == devices.rank:
                batch = rows.batch(range(start, end)).to(devices.device)
                found[starts[start] : starts[end]] = token_logprobs(model, batch)[0]
            task.advance(end - start)
    everything: NDArray[np.float32] = devices.sum_tensor(found).cpu().numpy()
    return everything


def _save(array: NDArray[np.float32], path: Path) -> None:
    aside = path.with_name("reference.partial.npy")
    np.save(aside, array)
    sync(aside)
    aside.replace(path)
