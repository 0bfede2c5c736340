"""Losses: next-token cross-entropy and the family of DPO.

Each returns sums, or one value per pair, over what counts; the loop divides them globally.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from midspan.recipe.schema import DpoLoss
from midspan.train.rows import IGNORED, Batch


def cross_entropy_sum(model: nn.Module, batch: Batch) -> Tensor:
    """Sum of the negative log-likelihoods (nats) of the targets that count."""
    counted = batch.targets != IGNORED
    logits = model(batch.ids, batch.mask, batch.positions, counted)
    return F.cross_entropy(logits.float(), batch.targets[counted], reduction="sum")


def token_logprobs(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Log-probability of every counted target, row by row, and the row each stands in; both [counted]."""
    counted = batch.targets != IGNORED
    logits = model(batch.ids, batch.mask, batch.positions, counted)
    logprobs = -F.cross_entropy(logits.float(), batch.targets[counted], reduction="none")
    return logprobs, counted.nonzero()[:, 0]


def sum_by_row(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """[counted] -> [count], the sums over the values of each row."""
    return torch.zeros(count, dtype=values.dtype, device=values.device).index_add(0, rows, values)


def dpo_losses(
    chosen: Tensor,
    rejected: Tensor,
    chosen_tokens: Tensor,
    rejected_tokens: Tensor,
    *,
    beta: float,
    kind: DpoLoss,
    label_flips: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """DPO losses of pairs and the rewards of both sides, beta times the log-ratio or its mean; all [pairs].

    `chosen` and `rejected` are log-ratios, policy minus reference, summed over the tokens of each side.

    - `sigmoid`: -log sigmoid(reward difference) (Rafailov et al., arXiv 2305.18290, equation 7).
    - `sigmoid_norm`: the same with each log-ratio divided by its number of tokens, which takes away the gain from sheer
      length (as TRL defines the name; the idea is that of SimPO's reward, arXiv 2405.14734, section 2.2).
    - `ipo`: (difference of the log-ratios - 1 / (2 beta))^2, which pulls to a fixed margin instead of ever wider ones
      (Azar et al., arXiv 2310.12036, equation 17, beta there being tau). The ratios are means over tokens: the paper
      does not say so, its authors confirmed it to TRL.
    - `robust`: sigmoid, unbiased where a share `label_flips` of the pairs is the wrong way round (Chowdhury et al.,
      arXiv 2403.00409, section 3). It has no lower bound: very wide margins make it negative.
    """
    if kind in ("sigmoid_norm", "ipo"):
        chosen, rejected = chosen / chosen_tokens.clamp(min=1), rejected / rejected_tokens.clamp(min=1)
    rewards = beta * chosen, beta * rejected
    margin = rewards[0] - rewards[1]
    if kind == "ipo":
        losses = (chosen - rejected - 1 / (2 * beta)).square()
    elif kind == "robust":
        agree, flipped = -F.logsigmoid(margin), -F.logsigmoid(-margin)
        losses = ((1 - label_flips) * agree - label_flips * flipped) / (1 - 2 * label_flips)
    else:
        losses = -F.logsigmoid(margin)
    return losses, *rewards


def divergence(log_ratios: Tensor) -> Tensor:
    """An estimate of the KL divergence, per token, from the log-ratios policy - reference of text the reference wrote.

    It is k3 of Schulman's note "Approximating KL Divergence" (2020): r - 1 - log r, the mean of which over samples of
    the reference is KL(reference || policy). Unlike the mean of -log r it is never negative, so tokens that became more
    and tokens that became less likely do not cancel.
    """
    return torch.expm1(log_ratios) - log_ratios
