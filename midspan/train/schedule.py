"""Learning-rate schedules, as a factor of the peak rate.

`wsd` (warm-up, stable, decay; arXiv 2404.06395) holds the peak and falls linearly to zero over the last `decay_share`
of the steps; `cosine` falls to a tenth (arXiv 2203.15556); `constant` only warms up.
"""

import math

from midspan.recipe.schema import TrainConfig

COSINE_END = 0.1


def rate_factor(step: int, steps: int, config: TrainConfig) -> float:
    """The factor at `step` (from 0) of `steps`, above 0 and at most 1."""
    warmup = math.ceil(config.warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "cosine":
        progress = (step - warmup) / max(1, steps - warmup)
        return COSINE_END + (1 - COSINE_END) * (1 + math.cos(math.pi * progress)) / 2
    decay = math.ceil(config.decay_share * steps)
    if config.schedule == "wsd" and steps - step <= decay:
        return (steps - step) / (decay + 1)
    return 1.0
