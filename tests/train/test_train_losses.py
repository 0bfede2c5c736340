import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from train_samples import recipe

from midspan.model.llama import Llama
from midspan.recipe.schema import OptimizerConfig
from midspan.train.losses import cross_entropy_sum, divergence, dpo_losses, sum_by_row, token_logprobs
from midspan.train.optimizers import make_optimizers, set_rate
from midspan.train.rows import IGNORED, Segment, write_rows
from midspan.train.schedule import rate_factor


def small_model():
    model = Llama(recipe().model, 512)
    model.initialise(3)
    return model


def test_cross_entropy_counts_only_what_counts(tmp_path):
    rows = write_rows([[Segment(range(40, 52), counted_from=8), Segment(range(90, 96))]], 24, 0, tmp_path / "rows")
    model, batch = small_model(), rows.batch([0])
    loss = cross_entropy_sum(model, batch)
    logits = model(batch.ids, batch.mask, batch.positions)
    by_hand = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="sum")
    assert batch.count == 4 + 5
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_packing_does_not_change_the_loss(tmp_path):
    segments = [Segment(range(40, 60)), Segment(range(100, 130), counted_from=12)]
    model = small_model()
    together = write_rows([segments], 64, 0, tmp_path / "together").batch([0])
    apart = write_rows([[segment] for segment in segments], 64, 0, tmp_path / "apart").batch([0, 1])
    assert together.mask is not None
    assert apart.mask is None
    assert cross_entropy_sum(model, together).item() == pytest.approx(cross_entropy_sum(model, apart).item(), rel=1e-5)


def test_token_logprobs_stand_row_by_row_and_sum_to_the_completion(tmp_path):
    rows = write_rows(
        [[Segment(range(20, 30), counted_from=6)], [Segment(range(50, 55), counted_from=2)]], 16, 0, tmp_path / "r"
    )
    model, batch = small_model(), rows.batch([0, -1, 1])
    values, places = token_logprobs(model, batch)
    logprobs = model(batch.ids).log_softmax(-1)
    assert places.tolist() == [0] * 4 + [2] * 3
    by_hand = [logprobs[2, at - 1, 50 + at].item() for at in (2, 3, 4)]
    assert values[4:].tolist() == pytest.approx(by_hand, rel=1e-5)
    totals = sum_by_row(values, places, 3)
    assert totals[1] == 0
    assert totals[2].item() == pytest.approx(sum(by_hand), rel=1e-5)


GOLDENS = json.loads((Path(__file__).parent / "trl_goldens.json").read_text())


@pytest.mark.parametrize("golden", GOLDENS["cases"], ids=lambda one: f"{one['kind']}-{one['beta']}-{one['flips']}")
def test_losses_and_gradients_are_those_of_trl(golden):
    """Numbers of TRL's own function, see `make_trl_goldens.py`; its loss is the mean over the pairs."""
    policy = [torch.tensor(row, requires_grad=True) for row in GOLDENS["policy"]]
    ratios = [row.sum() - sum(known) for row, known in zip(policy, GOLDENS["reference"], strict=True)]
    tokens = torch.tensor([len(row) for row in policy])
    losses, chosen, rejected = dpo_losses(
        torch.stack(ratios[0::2]),
        torch.stack(ratios[1::2]),
        tokens[0::2],
        tokens[1::2],
        beta=golden["beta"],
        kind=golden["kind"],
        label_flips=golden["flips"],
    )
    losses.mean().backward()
    assert losses.mean().item() == pytest.approx(golden["loss"], rel=1e-5)
    for row, expected in zip(policy, golden["gradients"], strict=True):
        assert row.grad.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert len(chosen) == len(rejected) == len(policy) // 2


PAIRS = (torch.tensor([2.0]), torch.tensor([-1.0]), torch.tensor([4]), torch.tensor([2]))


@pytest.mark.parametrize(
    ("kind", "loss", "rewards"),
    [
        ("sigmoid", math.log(1 + math.exp(-1.5)), (1.0, -0.5)),
        ("sigmoid_norm", math.log(1 + math.exp(-0.5)), (0.25, -0.25)),
        ("ipo", (0.5 + 0.5 - 1) ** 2, (0.25, -0.25)),
        ("robust", (0.8 * math.log(1 + math.exp(-1.5)) - 0.2 * math.log(1 + math.exp(1.5))) / 0.6, (1.0, -0.5)),
    ],
)
def test_dpo_against_values_by_hand(kind, loss, rewards):
    found, chosen, rejected = dpo_losses(*PAIRS, beta=0.5, kind=kind, label_flips=0.2)
    assert found.item() == pytest.approx(loss, abs=1e-6)
    assert (chosen.item(), rejected.item()) == pytest.approx(rewards)


@given(st.floats(-20, 20), st.floats(0, 0.45), st.floats(0.01, 1))
def test_robust_is_unbiased_under_flipped_labels(ratio, flips, beta):
    """Its mean over right and flipped labels is the plain loss of the right label (arXiv 2403.00409, section 3)."""

    def loss(chosen, kind):
        sides = torch.tensor([chosen], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        one = torch.tensor([1])
        return dpo_losses(*sides, one, one, beta=beta, kind=kind, label_flips=flips)[0].item()

    mean = (1 - flips) * loss(ratio, "robust") + flips * loss(-ratio, "robust")
    assert mean == pytest.approx(loss(ratio, "sigmoid"), rel=1e-6, abs=1e-9)


def test_divergence_estimates_the_kl_of_reference_and_policy():
    draw = torch.Generator().manual_seed(0)
    reference, policy = (torch.randn(2, 6, generator=draw).double()).log_softmax(-1)
    samples = torch.multinomial(reference.exp(), 200_000, replacement=True, generator=draw)
    exact = (reference.exp() * (reference - policy)).sum().item()
    assert divergence((policy - reference)[samples]).mean().item() == pytest.approx(exact, rel=0.02)
    assert (divergence(torch.linspace(-8, 8, 99)) >= 0).all()


def test_schedules():
    config = recipe().pretrain.model_copy(update={"warmup_share": 0.1, "decay_share": 0.2})
    wsd = [rate_factor(step, 100, config) for step in range(100)]
    assert wsd[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert set(wsd[10:80]) == {1.0}
    assert wsd[80:] == pytest.approx([(20 - n) / 21 for n in range(20)])
    cosine = [rate_factor(step, 100, config.model_copy(update={"schedule": "cosine"})) for step in range(100)]
    assert cosine[10] == 1.0
    assert 0.1 <= cosine[99] < 0.11
    assert cosine[10:] == sorted(cosine[10:], reverse=True)
    constant = [rate_factor(step, 100, config.model_copy(update={"schedule": "constant"})) for step in range(100)]
    assert set(constant[10:]) == {1.0}
    assert all(0 < rate_factor(0, steps, config) <= 1 for steps in (1, 2, 3))


def test_muon_takes_exactly_the_matrices_of_the_blocks():
    model = small_model()
    adamw, muon = make_optimizers(model, OptimizerConfig(name="muon", learning_rate=1e-3))
    taken = {id(parameter) for group in muon.param_groups for parameter in group["params"]}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in taken}
    assert names == {name for name, p in model.named_parameters() if ".layers." in name and p.ndim == 2}
    rest = [parameter for group in adamw.param_groups for parameter in group["params"]]
    assert len(rest) + len(taken) == len(list(model.parameters()))
    assert all(p.ndim == 2 for p in adamw.param_groups[0]["params"])
    assert adamw.param_groups[1]["weight_decay"] == 0
    set_rate([adamw, muon], 0.5)
    assert (adamw.param_groups[0]["lr"], muon.param_groups[0]["lr"]) == (5e-4, 0.01)


def test_accumulation_does_not_change_the_gradient(tmp_path):
    segments = [Segment(range(20 + n, 20 + n + size)) for n, size in enumerate((30, 8, 17, 25))]
    rows = write_rows([[segment] for segment in segments], 32, 0, tmp_path / "rows")
    gradients = []
    for shares in ([[0, 1, 2, 3]], [[0], [1], [2], [3]], [[0, 1, 2], [3, -1]]):
        model = small_model()
        batches = [rows.batch(share) for share in shares]
        count = sum(batch.count for batch in batches)
        for batch in batches:
            (cross_entropy_sum(model, batch) / count).backward()
        gradients.append(nn.utils.parameters_to_vector(p.grad for p in model.parameters()))
    for other in gradients[1:]:
        assert torch.allclose(gradients[0], other, atol=1e-6)
