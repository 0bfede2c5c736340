"""Devices: which one this process drives, how the model is spread over all of them, sums over ranks.

One process needs no `torch.distributed`. Under torchrun (WORLD_SIZE > 1) parameters, gradients and optimizer state are
sharded by FSDP2 over groups of `shards` devices, and the groups hold `replicas` of the model. All of it is applied to a
plain model from outside: compile, then shard.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from midspan.errors import MidspanError
from midspan.model.llama import Llama
from midspan.recipe.progress import Progress
from midspan.recipe.schema import ParallelConfig, TrainConfig


@dataclass(frozen=True)
class Devices:
    """This process's place among all: `device`, `rank` of `world`, and whether it computes in bf16."""

    device: torch.device
    rank: int
    world: int
    bf16: bool

    @property
    def first(self) -> bool:
        """Whether this process writes the files and the log."""
        return self.rank == 0

    def autocast(self) -> Any:
        """The context in which forward and loss run."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def sum(self, value: float) -> float:
        """Sum of a number over all ranks."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return total.item()

    def sum_tensor(self, values: Tensor) -> Tensor:
        """Elementwise sum over all ranks, in place."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """Rank 0 runs the block, then the others: for work whose result is a file."""
        if not self.first:
            dist.barrier()
        yield
        if self.first and self.world > 1:
            dist.barrier()


def start(parallel: ParallelConfig, config: TrainConfig, progress: Progress) -> Devices:
    """Join the other processes if there are any. Raises MidspanError if their number is not the recipe's."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    wanted = parallel.replicas * parallel.shards
    if world != wanted:
        raise MidspanError(
            f"[parallel] asks for {parallel.replicas} x {parallel.shards} = {wanted} devices, {world} processes run",
            f"start {wanted} processes with torchrun, or change [parallel]",
        )
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
    bf16 = config.precision == "bf16" and has_bf16(device)
    if config.precision == "bf16" and not bf16 and rank == 0:
        progress.log(f"this {device.type} has no bf16 arithmetic: training in fp32")
    return Devices(device, rank, world, bf16)


def has_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bf16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def spread(model: Llama, parallel: ParallelConfig, config: TrainConfig, devices: Devices) -> Llama:
    """Bring the model to the device, compile its blocks if wished, and shard it over the processes if there are any."""
    model.to(devices.device)
    if config.compile:
        torch._dynamo.config.suppress_errors = True  # a block that does not compile runs as it is
        for block in model.model.layers:
            block.compile()
    if devices.world == 1:
        return model
    names: tuple[str, ...] = ("replicate", "shard") if parallel.replicas > 1 else ("shard",)
    shape = (parallel.replicas, parallel.shards)[-len(names) :]
    mesh = init_device_mesh(devices.device.type, shape, mesh_dim_names=names)
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if devices.bf16 else MixedPrecisionPolicy()
    for block in model.model.layers:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return model


def reshard(model: Llama) -> None:
    """Free what a forward pass without a backward pass leaves gathered; until then `parameters` are not the shards."""
    if isinstance(model, FSDPModule):
        model.reshard()


def whole(tensor: Tensor) -> Tensor:
    """A copy of the unsharded tensor on the CPU; every rank must call it."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().to("cpu", copy=True).contiguous()


def like(tensor: Tensor, template: Tensor) -> Tensor:
    """The whole `tensor`, on the device of `template` and sharded as it is if the shapes agree."""
    if isinstance(template, DTensor) and tensor.shape == template.shape:
        return distribute_tensor(tensor.to(template.device), template.device_mesh, template.placements)
    return tensor.to(template.device)
