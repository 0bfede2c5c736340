"""Models on disk: a Hugging Face directory that transformers, vLLM and llama.cpp's converters read, and back."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from midspan.errors import MidspanError
from midspan.model.hf_config import (
    END_TOKEN,
    config_dict,
    generation_config_dict,
    read_config,
    tokenizer_config_dict,
    weight_files,
)
from midspan.model.llama import Llama
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import ModelConfig


def save_hf(model: Llama, tokenizer_json: str, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write `model` and its tokenizer into `folder` (made if missing) as a Hugging Face Llama."""
    save_weights(model.config, model.vocab_size, model.state_dict(), tokenizer_json, folder, dtype)


def save_weights(
    config: ModelConfig,
    vocab_size: int,
    weights: Mapping[str, Tensor],
    tokenizer_json: str,
    folder: Path,
    dtype: torch.dtype = torch.float32,
) -> None:
    """`save_hf` for weights that were gathered from several devices."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in weights.items()
        if not (config.tie_embeddings and name == "lm_head.weight")
    }
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
    end_id = Tokenizer.from_json(tokenizer_json).special(END_TOKEN)
    for name, content in (
        ("config.json", config_dict(config, vocab_size, end_id, str(dtype).removeprefix("torch."))),
        ("tokenizer_config.json", tokenizer_config_dict(config.context_length)),
        ("generation_config.json", generation_config_dict(end_id)),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_hf(folder: Path) -> Llama:
    """Read a Llama in float32 on the CPU; MidspanError if the directory is not a whole plain Llama."""
    config, vocab_size = read_config(folder)
    with torch.device("meta"):
        model = Llama(config, vocab_size)
    weights: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            weights |= load_file(path)
        except (SafetensorError, FileNotFoundError) as error:
            raise MidspanError(f"{path} cannot be read: {error}", "export or download the model again") from None
    if config.tie_embeddings:
        weights["lm_head.weight"] = weights.get("model.embed_tokens.weight", torch.empty(0))
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
    except RuntimeError as error:
        why = " ".join(str(error).split())[:300]
        raise MidspanError(f"the weights in {folder} do not fit its config.json: {why}", "export it again") from None
    if config.tie_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model
