"""The one training loop: what differs between pre-training, fine-tuning and DPO is the batches and the loss.

A guard may end the training early. Checkpoints are then written only where it holds, the start among them, so the
newest one holds the last weights that were good, and those become the stage's result.

A step: its micro-batches, the sum of their losses over the *global* number of counted items (so accumulation and ranks
change nothing), backward, clipping, both optimizers. The whole state is (weights, optimizer, step): batches are a
function of the step and there is no dropout, so a run killed at any moment goes on to the same bytes.
"""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from midspan.errors import MidspanError
from midspan.model.checkpoint import save_weights
from midspan.model.llama import Llama
from midspan.recipe.progress import Task
from midspan.recipe.schema import TrainConfig
from midspan.recipe.stage import Metrics, StageContext
from midspan.train import optimizers as optim
from midspan.train import resume
from midspan.train.parallel import Devices, reshard, spread, whole
from midspan.train.rows import Batch
from midspan.train.schedule import rate_factor
from midspan.train.validation import Validation

METRICS_FILE = "metrics.jsonl"
SHOWN = ("margin", "accuracy", "kl")
"""Values of an objective that the progress display shows beside the loss."""


class Objective(Protocol):
    """What a stage trains on and what it minimises."""

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole stage."""

    def batches(self, step: int, devices: Devices) -> list[Batch]:
        """This rank's micro-batches of `step`; every rank has the same number of them."""

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The sum of the losses of what counts in `batch`, and sums of other values to log."""


@dataclass(frozen=True)
class Exceeded:
    """A setting whose limit was passed, and by what value."""

    setting: str
    value: float
    limit: float


class Guard(Protocol):
    """Says when to stop before the model breaks."""

    def measure(self, model: nn.Module, devices: Devices) -> dict[str, float]:
        """What is measured beside the validation text; every rank calls it."""

    def exceeded(self, row: Mapping[str, float], valid_first: float) -> Exceeded | None:
        """The limit passed by a step's metrics, with those of the validation if there was one behind it.

        `valid_first` are the validation bits per byte before the first step.
        """


def spread_evenly(numbers: list[int], micro_batch: int, devices: Devices) -> list[list[int]]:
    """This rank's share of `numbers` in micro-batches; -1 fills up, so that every rank has as many."""
    padded = numbers + [-1] * (-len(numbers) % devices.world)
    mine = padded[devices.rank :: devices.world]
    return [mine[start : start + micro_batch] for start in range(0, len(mine), micro_batch)]


def train(
    context: StageContext,
    stage: str,
    config: TrainConfig,
    model: Llama,
    objective: Objective,
    validation: Validation,
    devices: Devices,
    tokenizer_json: str,
    guard: Guard | None = None,
) -> Metrics:
    """Train `model`, from the last checkpoint if there is one, and write `hf/` and `metrics.jsonl`.

    Where the guard stops the training, the metrics say so (`stopped_by`, `stopped_at`) and describe the weights kept.
    Raises MidspanError when the loss stops being a number.
    """
    spread(model, context.recipe.parallel, config, devices)
    optimizers = optim.make_optimizers(model, config.optimizer)
    found = resume.load(context.resume, model, optimizers)
    done = found or resume.Progressed()
    log = _Log(context.work / METRICS_FILE, done.step if found else -1, devices.first)
    stopped: Metrics = {}

    def validate() -> dict[str, float]:
        row = {"valid_bits_per_byte": validation.bits_per_byte(model, devices)}
        if guard:
            row |= guard.measure(model, devices)
        reshard(model)
        log.write({"step": done.step, **row})
        return row

    if guard and not found:
        first = validate()["valid_bits_per_byte"]
        done = replace(done, valid=first, valid_first=first)
        resume.save(context.resume, model, optimizers, done, devices)
    with context.progress.task(stage, objective.steps) as task:
        task.advance(done.step)
        for step in range(done.step, objective.steps):
            started = time.perf_counter()
            row = _step(step, stage, config, model, objective, optimizers, devices)
            seconds = time.perf_counter() - started
            done = replace(
                done,
                step=step + 1,
                tokens=done.tokens + int(row["tokens"]),
                seconds=done.seconds + seconds,
                loss_first=done.loss_first if step else row["loss"],
                loss_last=row["loss"],
            )
            log.write({"step": done.step, **row, "tokens": done.tokens, "tokens_per_second": row["tokens"] / seconds})
            _report(task, row, row["tokens"] / seconds)
            last = done.step == objective.steps
            checkpoint = not last and done.step % config.checkpoint_steps == 0
            if last or done.step % config.valid_steps == 0 or (guard and checkpoint):
                row |= validate()
                done = replace(done, valid=row["valid_bits_per_byte"])
            passed = guard.exceeded(row, done.valid_first) if guard else None
            if passed:
                stopped = {"stopped_by": passed.setting, "stopped_at": done.step}
                log.write({"step": done.step, **stopped, "value": passed.value})
                done = resume.load(context.resume, model, optimizers) or done
                context.progress.log(
                    f"{stage}: stopped at step {stopped['stopped_at']} by [{stage}] {passed.setting}:"
                    f" {passed.value:.4g} is above {passed.limit:g}; the weights of step {done.step} are kept"
                )
                break
            if checkpoint:
                resume.save(context.resume, model, optimizers, done, devices)
    weights = {name: whole(parameter) for name, parameter in model.named_parameters()}
    if devices.first:
        save_weights(model.config, model.vocab_size, weights, tokenizer_json, context.work / "hf")
    return {
        "steps": done.step,
        "tokens": done.tokens,
        "loss_first": done.loss_first,
        "loss_last": done.loss_last,
        "valid_bits_per_byte": done.valid,
        "tokens_per_second": done.tokens / max(done.seconds, 1e-9),
        "seconds": done.seconds,
        **stopped,
    }


def _step(
    step: int,
    stage: str,
    config: TrainConfig,
    model: Llama,
    objective: Objective,
    optimizers: list[torch.optim.Optimizer],
    devices: Devices,
) -> dict[str, float]:
    """One optimizer step; the row of metrics."""
    batches = objective.batches(step, devices)
    count = devices.sum(sum(batch.count for batch in batches))
    sums: dict[str, float] = {"loss": 0.0, "tokens": sum(batch.tokens for batch in batches)}
    for batch in batches:
        with devices.autocast():
            loss, others = objective.loss(model, batch.to(devices.device))
        # FSDP averages gradients over the ranks where we want their sum.
        (loss * (devices.world / max(count, 1))).backward()  # type: ignore[no-untyped-call]
        for name, value in {"loss": loss.item(), **others}.items():
            sums[name] = sums.get(name, 0.0) + value
    totals = {name: devices.sum(value) for name, value in sums.items()}
    tokens = totals.pop("tokens")
    row = {name: value / max(count, 1) for name, value in totals.items()}
    norm = nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip)
    grad_norm = whole(norm).item()
    if not math.isfinite(row["loss"]) or not math.isfinite(grad_norm):
        raise MidspanError(
            f"stage {stage}: the loss or its gradient is not a finite number at step {step + 1}",
            f'lower learning_rate in [{stage}.optimizer] or use precision = "fp32"',
        )
    factor = rate_factor(step, objective.steps, config)
    optim.set_rate(optimizers, factor)
    optim.step(optimizers)
    return {**row, "lr": factor * config.optimizer.learning_rate, "grad_norm": grad_norm, "tokens": tokens}


def _report(task: Task, row: Mapping[str, float], speed: float) -> None:
    task.advance()
    figures = [f"{name} {row[name]:.3f}" for name in ("loss", *SHOWN) if name in row]
    task.say(", ".join([*figures, f"{speed:,.0f} tokens/s"]))


class _Log:
    """`metrics.jsonl`, cut back to the step the training goes on from (-1: nothing); only the first rank writes."""

    def __init__(self, path: Path, step: int, active: bool) -> None:
        self.path, self.active = path, active
        if active:
            lines = path.read_text().splitlines() if path.exists() else []
            kept = [line for line in lines if _step_of(line) <= step]
            aside = path.with_name(path.name + ".partial")
            aside.write_text("".join(line + "\n" for line in kept))
            aside.replace(path)

    def write(self, row: dict[str, Any]) -> None:
        if self.active:
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def _step_of(line: str) -> float:
    """The step of a row; infinite for a row that a kill cut short."""
    try:
        return float(json.loads(line)["step"])
    except ValueError:
        return math.inf
