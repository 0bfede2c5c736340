"""A small trained tokenizer and model shapes shared by the tests of this room."""

import sysconfig
from functools import cache
from pathlib import Path

import torch

from midspan.model.llama import Llama
from midspan.model.tokenizer import train_tokenizer
from midspan.recipe.schema import ModelConfig

SHAPES = {
    "tied": ModelConfig(
        hidden_size=64, layers=2, heads=4, kv_heads=4, mlp_size=96, context_length=512, tie_embeddings=True
    ),
    "untied_gqa": ModelConfig(
        hidden_size=96, layers=3, heads=6, kv_heads=2, mlp_size=160, context_length=512, rope_theta=5_000.0
    ),
}


def source_files() -> list[Path]:
    """Real Python files: some modules of the standard library."""
    return sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:60]


@cache
def tokenizer_json(vocab_size: int = 800) -> str:
    texts = [path.read_text(encoding="utf-8", errors="replace")[:20_000] for path in source_files()]
    return train_tokenizer([*texts, "naïve façade — „Größe“ 中文字符 🙂"], vocab_size).to_str()


def small_model(shape: str, vocab_size: int = 800, seed: int = 1) -> Llama:
    """Weights far enough from their narrow initial values that every part shows in the logits."""
    model = Llama(SHAPES[shape], vocab_size)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.empty_like(parameter).normal_(0.0, 0.15, generator=generator)
            parameter.copy_(noise + 1 if parameter.ndim == 1 else noise)
    return model
