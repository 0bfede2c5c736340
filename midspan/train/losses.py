"""Losses: next-token cross-entropy and DPO. Each returns a *sum* over what counts; the loop divides it globally."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from midspan.train.rows import IGNORED, Batch


def cross_entropy_sum(model: nn.Module, batch: Batch) -> Tensor:
    """Sum of the negative log-likelihoods (nats) of the targets that count."""
    counted = batch.targets != IGNORED
    logits = model(batch.ids, batch.mask, batch.positions, counted)
    return F.cross_entropy(logits.float(), batch.targets[counted], reduction="sum")


def sequence_logprobs(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Log-probability [B] of the counted targets of every row, and their numbers [B]."""
    counted = batch.targets != IGNORED
    logits = model(batch.ids, batch.mask, batch.positions, counted)
    logprobs = -F.cross_entropy(logits.float(), batch.targets[counted], reduction="none")
    rows = counted.nonzero()[:, 0]
    totals = torch.zeros(len(batch.ids), dtype=logprobs.dtype, device=logprobs.device).index_add(0, rows, logprobs)
    return totals, counted.sum(dim=1)


def dpo_losses(
    chosen: Tensor,
    rejected: Tensor,
    chosen_tokens: Tensor,
    rejected_tokens: Tensor,
    *,
    beta: float,
    kind: Literal["sigmoid", "sigmoid_norm"],
) -> tuple[Tensor, Tensor, Tensor]:
    """DPO losses of pairs (arXiv 2305.18290), and the rewards of both sides; all [pairs].

    `chosen` and `rejected` are log-ratios, policy minus reference. `sigmoid_norm` divides each by its number of tokens,
    which takes away the gain from sheer length (as TRL defines the name).
    """
    if kind == "sigmoid_norm":
        chosen, rejected = chosen / chosen_tokens.clamp(min=1), rejected / rejected_tokens.clamp(min=1)
    rewards = beta * chosen, beta * rejected
    return -F.logsigmoid(rewards[0] - rewards[1]), *rewards
