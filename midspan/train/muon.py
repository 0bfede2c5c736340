"""Muon (kellerjordan.github.io/posts/muon): momentum whose update is made orthogonal by Newton-Schulz iterations.

`torch.optim.Muon` computes the iterations in bfloat16, which a CPU without such hardware emulates: at 2.6 million
parameters and 2,048 tokens a step they took a third of the step. Here they run in the precision that is fast on the
device: bfloat16 on a GPU, float32 on a CPU. Otherwise the two agree (a test compares them).
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic polynomial: the steepest slope at zero, from the post."""
ITERATIONS = 5
EPSILON = 1e-7


class Muon(Optimizer):
    """Nesterov momentum, orthogonalised, with decoupled weight decay; for matrices only."""

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float = 0.0, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Change every matrix by its gradient."""
        for group in self.param_groups:
            for matrix in group["params"]:
                state = self.state[matrix]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(matrix.grad)
                average = state["momentum_buffer"].lerp_(matrix.grad, 1 - group["momentum"])
                update = orthogonal(matrix.grad.lerp(average, group["momentum"]))
                # Tall matrices take larger steps, so that the outputs of all matrices change alike.
                scale = math.sqrt(max(1.0, matrix.shape[0] / matrix.shape[1]))
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """[m, n] -> [m, n]: the matrix with its singular values moved near 1 (between about 0.7 and 1.2)."""
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16() if matrix.is_cuda else matrix.float()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=EPSILON)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)
