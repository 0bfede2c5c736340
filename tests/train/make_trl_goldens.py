"""Writes `trl_goldens.json`: losses and gradients of TRL's own loss function on fixed log-probabilities.

TRL brings `datasets`, `accelerate` and `pandas` along and takes five seconds to import, so the tests read its numbers
from the file. To make it anew: `pip install trl==1.16.0` in an environment of its own, then run this script there.
The loss stands inside `DPOTrainer._compute_loss`, which is run here on a model that answers given log-probabilities.
"""

import json
import random
from pathlib import Path
from types import SimpleNamespace

import torch
import trl
from trl import DPOTrainer

PROMPT = 3
LENGTHS = ((4, 9), (12, 5), (1, 1), (7, 30))
TRL_METRICS = (
    "entropy",
    "num_tokens",
    "logits/chosen",
    "logits/rejected",
    "mean_token_accuracy",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/accuracies",
    "rewards/margins",
    "logps/chosen",
    "logps/rejected",
)


def given() -> tuple[list[list[float]], list[list[float]]]:
    """Log-probabilities of every token under policy and reference; rows in pairs, chosen then rejected."""
    draw = random.Random(5)
    rows = [length for pair in LENGTHS for length in pair]
    policy = [[round(-draw.expovariate(0.7), 4) for _ in range(length)] for length in rows]
    reference = [[round(value + draw.gauss(0, 0.8), 4) for value in row] for row in policy]
    return policy, reference


def trl_loss(policy: list[torch.Tensor], reference: list[list[float]], **settings: object) -> torch.Tensor:
    """The mean loss as TRL computes it; it wants all chosen rows first, then all rejected ones."""
    order = [*range(0, len(policy), 2), *range(1, len(policy), 2)]
    width = PROMPT + max(len(row) for row in policy)
    mask = torch.zeros(len(order), width, dtype=torch.long)
    logprobs = torch.zeros(len(order), width - 1)
    for at, row in enumerate(order):
        end = PROMPT + len(policy[row])
        mask[at, PROMPT:end] = 1
        logprobs = logprobs.index_put((torch.tensor(at), torch.arange(PROMPT - 1, end - 1)), policy[row])
    sums = torch.tensor([sum(reference[row]) for row in order])
    watched = torch.zeros(len(order), width - 1)
    outputs = SimpleNamespace(log_probs=logprobs, entropy=watched, mean_logits=watched, is_top1=watched.bool())
    each = {"gather": lambda x: x, "gather_for_metrics": lambda x: x, "device": torch.device("cpu")}
    metrics = {name: [] for name in TRL_METRICS}
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=SimpleNamespace(**each),
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        use_weighting=False,
        loss_weights=[1.0],
        label_smoothing=0.0,
        _metrics={"train": metrics},
        _total_train_tokens=0,
        _tp_size=1,
    )
    vars(trainer).update(settings)
    inputs = {
        "input_ids": torch.zeros_like(mask),
        "attention_mask": torch.ones_like(mask),
        "completion_mask": mask,
        "ref_chosen_logps": sums[: len(order) // 2],
        "ref_rejected_logps": sums[len(order) // 2 :],
    }
    loss: torch.Tensor = DPOTrainer._compute_loss(trainer, lambda **_: outputs, inputs, return_outputs=False)
    return loss


def main() -> None:
    policy, reference = given()
    cases = []
    for kind in ("sigmoid", "sigmoid_norm", "ipo", "robust"):
        for beta in (0.1, 0.5, 2.0):
            for flips in (0.0, 0.1, 0.35) if kind == "robust" else (0.0,):
                tensors = [torch.tensor(row, requires_grad=True) for row in policy]
                loss = trl_loss(tensors, reference, loss_types=[kind], beta=beta, label_smoothing=flips)
                loss.backward()
                gradients = [tensor.grad.tolist() for tensor in tensors]
                cases.append({"kind": kind, "beta": beta, "flips": flips, "loss": loss.item(), "gradients": gradients})
    content = {"trl": trl.__version__, "policy": policy, "reference": reference, "cases": cases}
    (Path(__file__).parent / "trl_goldens.json").write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
