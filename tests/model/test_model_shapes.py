import pytest
import torch
from model_samples import SHAPES
from torch.utils.flop_counter import FlopCounterMode

from midspan.model.llama import Llama
from midspan.model.shapes import parameters, training_flops_per_token, training_memory
from midspan.recipe.schema import ModelConfig


@pytest.mark.parametrize(
    ("config", "vocab_size"), [(ModelConfig(), 49_152), (SHAPES["tied"], 800), (SHAPES["untied_gqa"], 777)]
)
def test_parameter_count_is_exact(config, vocab_size):
    with torch.device("meta"):
        model = Llama(config, vocab_size)
    assert parameters(config, vocab_size).total == sum(p.numel() for p in model.parameters())


def test_size_of_the_blueprint_shape():
    assert parameters(ModelConfig(), 49_152).total == 3_717_258_240


def test_flops_agree_with_a_counter():
    config, length = SHAPES["untied_gqa"], 64
    model = Llama(config, 800)
    with FlopCounterMode(display=False) as counter:
        model(
            torch.zeros(1, length, dtype=torch.long), torch.ones(1, length, length, dtype=torch.bool)
        ).sum().backward()
    products = 6 * (parameters(config, 800).matrices + 800 * config.hidden_size)
    assert counter.get_total_flops() / length >= products
    assert training_flops_per_token(config, 800, length) == pytest.approx(counter.get_total_flops() / length, rel=0.1)


def test_memory_counts_muon_with_one_moment():
    config = SHAPES["tied"]
    adamw, muon = (
        training_memory(config, 800, 8, 512, optimizer=name, bf16=False).optimizer for name in ("adamw", "muon")
    )
    assert adamw - muon == 4 * parameters(config, 800).matrices
