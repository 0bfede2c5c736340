import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from train_samples import recipe

from midspan.model.llama import Llama
from midspan.recipe.schema import OptimizerConfig
from midspan.train.losses import cross_entropy_sum, dpo_losses, sequence_logprobs
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


def test_sequence_logprobs_sum_the_completion(tmp_path):
    rows = write_rows(
        [[Segment(range(20, 30), counted_from=6)], [Segment(range(50, 55), counted_from=2)]], 16, 0, tmp_path / "r"
    )
    model, batch = small_model(), rows.batch([0, 1])
    totals, tokens = sequence_logprobs(model, batch)
    logprobs = model(batch.ids).log_softmax(-1)
    assert tokens.tolist() == [4, 3]
    assert totals[1].item() == pytest.approx(sum(logprobs[1, at - 1, 50 + at].item() for at in (2, 3, 4)), rel=1e-5)


def test_dpo_against_values_by_hand():
    arguments = torch.tensor([2.0]), torch.tensor([-1.0]), torch.tensor([4]), torch.tensor([2])
    loss, chosen, rejected = dpo_losses(*arguments, beta=0.5, kind="sigmoid")
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1.5)))
    assert (chosen.item(), rejected.item()) == (1.0, -0.5)
    loss, chosen, rejected = dpo_losses(*arguments, beta=0.5, kind="sigmoid_norm")
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.5)))
    assert (chosen.item(), rejected.item()) == (0.25, -0.25)


@given(st.floats(-50, 50), st.floats(-50, 50), st.integers(1, 90), st.integers(1, 90), st.floats(0.01, 1))
def test_sigmoid_norm_is_the_formula_of_trl(chosen, rejected, chosen_tokens, rejected_tokens, beta):
    """As TRL writes it: the log-ratios per token first, then -logsigmoid(beta * difference)."""
    loss, *_ = dpo_losses(
        torch.tensor([chosen]),
        torch.tensor([rejected]),
        torch.tensor([chosen_tokens]),
        torch.tensor([rejected_tokens]),
        beta=beta,
        kind="sigmoid_norm",
    )
    delta = np.float32(chosen) / chosen_tokens - np.float32(rejected) / rejected_tokens
    assert loss.item() == pytest.approx(np.logaddexp(0, -beta * delta), rel=1e-4, abs=1e-5)


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
