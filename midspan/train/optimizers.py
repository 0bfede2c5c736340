"""Optimizers: AdamW (arXiv 1711.05101), and Muon (kellerjordan.github.io/posts/muon) for the matrices of the blocks."""

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from midspan.recipe.schema import OptimizerConfig
from midspan.train.muon import Muon


def make_optimizers(model: nn.Module, config: OptimizerConfig) -> list[Optimizer]:
    """AdamW for all parameters, or Muon for the blocks' matrices and AdamW for the rest; norms do not decay.

    Every group keeps its peak learning rate in `peak`, from which `set_rate` computes the rate of a step.
    """
    muon, decayed, plain = [], [], []
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            plain.append(parameter)
        elif config.name == "muon" and ".layers." in name:
            muon.append(parameter)
        else:
            decayed.append(parameter)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    betas = (config.beta1, config.beta2)
    optimizers: list[Optimizer] = [AdamW(groups, lr=config.learning_rate, betas=betas, fused=True)]
    if muon:
        optimizers.append(Muon(muon, lr=config.muon_learning_rate, weight_decay=config.weight_decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def set_rate(optimizers: list[Optimizer], factor: float) -> None:
    """Set every group's learning rate to `factor` of its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor


def step(optimizers: list[Optimizer]) -> None:
    """Change the weights by the gradients, and drop these."""
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def state_names(model: nn.Module) -> dict[torch.Tensor, str]:
    """The name of each parameter, under which its optimizer state is kept."""
    return {parameter: name for name, parameter in model.named_parameters()}
