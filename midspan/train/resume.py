"""Checkpoints to go on from after a kill: the weights, the optimizer's state and a few numbers, in `resume/`.

A checkpoint is a folder `checkpoint-<steps done>` with `state.safetensors` and `state.json`. It is written aside,
synced and renamed, so the newest with a plain name is whole; then older ones are removed. Tensors are stored unsharded,
so the number of devices may change in between (cost: rank 0 holds the whole state in memory while it writes).
"""

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from midspan.model.checkpoint import save_weights
from midspan.recipe.disk import sync
from midspan.recipe.schema import ModelConfig
from midspan.recipe.stage import CHECKPOINT, newest_checkpoint
from midspan.train.optimizers import state_names
from midspan.train.parallel import Devices, like, whole


@dataclass(frozen=True)
class Progressed:
    """How far the training is: after `step` steps. `valid` are bits per byte when last measured, `valid_first` before
    the first step where that is measured."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss_first: float = 0.0
    loss_last: float = 0.0
    valid: float = math.nan
    valid_first: float = math.nan


def save(folder: Path, model: nn.Module, optimizers: list[Optimizer], progressed: Progressed, devices: Devices) -> None:
    """Write a checkpoint and remove the ones before it; every rank must call it."""
    tensors = {f"model.{name}": whole(parameter) for name, parameter in model.named_parameters()}
    names = state_names(model)
    for optimizer in optimizers:
        for parameter, state in optimizer.state.items():
            for key, value in state.items():
                tensors[f"optimizer.{names[parameter]}.{key}"] = whole(value)
    if not devices.first:
        return
    target = folder / f"{CHECKPOINT}{progressed.step}"
    aside = folder / f"{target.name}.partial"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    save_file(tensors, aside / "state.safetensors")
    (aside / "state.json").write_text(json.dumps(asdict(progressed)))
    for path in (aside / "state.safetensors", aside / "state.json", aside):
        sync(path)
    aside.rename(target)
    sync(folder)
    for other in folder.glob(CHECKPOINT + "*"):
        if other != target:
            shutil.rmtree(other)


def load(folder: Path, model: nn.Module, optimizers: list[Optimizer]) -> Progressed | None:
    """Bring model and optimizers to the newest whole checkpoint; None if there is none."""
    newest = newest_checkpoint(folder)
    if newest is None:
        return None
    tensors = load_file(newest / "state.safetensors")
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        parameter.data.copy_(like(tensors.pop(f"model.{name}"), parameter.data))
    owner = {parameter: optimizer for optimizer in optimizers for parameter in _parameters_of(optimizer)}
    for name, tensor in tensors.items():
        parameter_name, key = name.removeprefix("optimizer.").rsplit(".", 1)
        parameter = parameters[parameter_name]
        owner[parameter].state[parameter][key] = like(tensor, parameter.data)
    return Progressed(**json.loads((newest / "state.json").read_text()))


def save_weights_of(checkpoint: Path, config: ModelConfig, tokenizer_json: str, folder: Path) -> None:
    """Write the weights of a checkpoint in bfloat16 as a Hugging Face directory with its tokenizer."""
    tensors = load_file(checkpoint / "state.safetensors")
    weights = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    vocab_size = len(weights["model.embed_tokens.weight"])
    save_weights(config, vocab_size, weights, tokenizer_json, folder, torch.bfloat16)


def _parameters_of(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
