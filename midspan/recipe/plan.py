"""What a recipe would cost before anything is run: parameters, tokens, FLOPs, memory and time."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from midspan.errors import MidspanError
from midspan.model.shapes import inference_bytes, parameters, training_flops_per_token, training_memory
from midspan.recipe.graph import STAGES
from midspan.recipe.manifest import read_manifest
from midspan.recipe.schema import Recipe, TrainConfig
from midspan.recipe.summary import MODEL_NAMES

GPU_PEAK_FLOPS = 989e12
"""Dense bf16 of an H100 or H200, from NVIDIA's data sheet."""
GPU_UTILISATION = 0.40
"""Assumed share of the peak (MFU); Mellum's own training ran at about 0.23, good trainers reach 0.4 to 0.5."""
CPU_UTILISATION = 0.5
"""Share of the matrix-product speed that our training loop reached on two cores at 2.6 M parameters, measured."""
DPO_FORWARD_ONLY = 4 / 3
"""DPO runs the reference model forward once beside the policy's forward and backward: 2 of 6 FLOPs per weight more."""


@dataclass(frozen=True)
class StagePlan:
    """One training stage: times are seconds, memory is bytes per device."""

    stage: str
    state: str
    tokens: int
    steps: int
    flops: float
    memory: int
    seconds_here: float
    seconds_cluster: float


@dataclass(frozen=True)
class Plan:
    """A whole recipe. `speed_here` is FLOP/s of this machine's CPU, `devices` the size of the recipe's mesh."""

    name: str
    parameters: int
    embedding_parameters: int
    serving_bytes: dict[str, int]
    speed_here: float
    devices: int
    stages: tuple[StagePlan, ...]
    other_stages: dict[str, str]


def plan(recipe: Recipe, runs: Path) -> Plan:
    """Plan `recipe` for this machine's CPU and for the recipe's mesh of GPUs."""
    vocab = recipe.tokenizer.vocab_size
    count = parameters(recipe.model, vocab)
    speed = matmul_speed() * CPU_UTILISATION
    context = recipe.model.context_length
    stages = tuple(_plan_stage(name, recipe, runs, speed) for name in MODEL_NAMES)
    return Plan(
        name=recipe.name,
        parameters=count.total,
        embedding_parameters=count.embedding + count.output,
        serving_bytes={
            "bf16": inference_bytes(recipe.model, vocab, 2, context),
            "q8_0": inference_bytes(recipe.model, vocab, 34 / 32, context),
        },
        speed_here=speed,
        devices=recipe.parallel.replicas * recipe.parallel.shards,
        stages=stages,
        other_stages={name: _state(name, recipe, runs) for name in STAGES if name not in MODEL_NAMES},
    )


def matmul_speed(size: int = 1_024, seconds: float = 0.3) -> float:
    """FLOP/s of float32 matrix products on this machine's CPU, measured for about `seconds`."""
    left = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    left @ left
    products, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        left @ left
        products += 1
    return 2 * size**3 * products / elapsed


def _plan_stage(name: str, recipe: Recipe, runs: Path, speed: float) -> StagePlan:
    config: TrainConfig = getattr(recipe, name)
    vocab = recipe.tokenizer.vocab_size
    flops = float(config.tokens) * training_flops_per_token(recipe.model, vocab, config.sequence_length)
    if name == "dpo":
        flops *= DPO_FORWARD_ONLY
    memory = training_memory(
        recipe.model,
        vocab,
        config.micro_batch,
        config.sequence_length,
        optimizer=config.optimizer.name,
        bf16=config.precision == "bf16",
    )
    devices = recipe.parallel.replicas * recipe.parallel.shards
    return StagePlan(
        stage=name,
        state=_state(name, recipe, runs),
        tokens=config.tokens,
        steps=-(-config.tokens // config.batch_tokens),
        flops=flops,
        memory=(memory.total - memory.activations) // recipe.parallel.shards + memory.activations,
        seconds_here=flops / speed,
        seconds_cluster=flops / (devices * GPU_PEAK_FLOPS * GPU_UTILISATION),
    )


def _state(name: str, recipe: Recipe, runs: Path) -> str:
    """Whether the stage is there already; what `build` would do can differ if the recipe or the sources changed."""
    directory = runs / recipe.name / name
    if not directory.exists():
        begun = (runs / recipe.name / f".{name}.work").exists()
        return "begun" if begun else "to run"
    try:
        read_manifest(directory)
    except MidspanError:
        return "half-written"
    return "finished"
