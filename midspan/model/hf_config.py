"""`config.json` and its neighbours in a Hugging Face Llama directory, written and read without torch."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from midspan.errors import MidspanError
from midspan.recipe.schema import ModelConfig

END_TOKEN = "<|endoftext|>"


def config_dict(config: ModelConfig, vocab_size: int, end_id: int, dtype: str) -> dict[str, Any]:
    """`config.json` of a `LlamaForCausalLM`; the rotary base stands where old and new versions look for it."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.mlp_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.hidden_size // config.heads,
        "hidden_act": "silu",
        "max_position_embeddings": config.context_length,
        "initializer_range": 0.02,
        "rms_norm_eps": config.norm_epsilon,
        "tie_word_embeddings": config.tie_embeddings,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": end_id,
        "eos_token_id": end_id,
        "torch_dtype": dtype,
    }


def tokenizer_config_dict(context_length: int) -> dict[str, Any]:
    """`tokenizer_config.json`: no token is added around the text, the end token doubles as start and padding."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_TOKEN,
        "eos_token": END_TOKEN,
        "pad_token": END_TOKEN,
        "unk_token": None,
        "add_bos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context_length,
    }


def generation_config_dict(end_id: int) -> dict[str, Any]:
    """`generation_config.json`."""
    return {"bos_token_id": end_id, "eos_token_id": end_id, "pad_token_id": end_id, "do_sample": False}


def read_config(folder: Path) -> tuple[ModelConfig, int]:
    """Shape and vocabulary size of the Llama in `folder`; MidspanError if it is missing or not a plain Llama."""
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MidspanError(f"{folder} holds no config.json", "give a Hugging Face model directory") from None
    except ValueError as error:
        raise MidspanError(f"{path} is not JSON: {error}", "export the model again") from None
    if not isinstance(raw, dict) or raw.get("model_type") != "llama":
        raise MidspanError(f"{path} is not that of a Llama", "only Llama models are supported")
    rope: Any = raw.get("rope_parameters") or {}
    try:
        _refuse_variants(path, raw)
        config = ModelConfig(
            hidden_size=raw["hidden_size"],
            layers=raw["num_hidden_layers"],
            heads=raw["num_attention_heads"],
            kv_heads=raw.get("num_key_value_heads") or raw["num_attention_heads"],
            mlp_size=raw["intermediate_size"],
            context_length=raw["max_position_embeddings"],
            tie_embeddings=raw.get("tie_word_embeddings", False),
            rope_theta=rope.get("rope_theta", raw.get("rope_theta", 10_000.0)),
            norm_epsilon=raw["rms_norm_eps"],
        )
        return config, int(raw["vocab_size"])
    except KeyError as error:
        raise MidspanError(f"{path} lacks {error}", "export the model again") from None
    except ValidationError as error:
        raise MidspanError(f"{path}: {error.errors()[0]['msg']}", "only plain Llama shapes are supported") from None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a Hugging Face directory, one or the shards of an index; MidspanError if none."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError):
            raise MidspanError(f"{index} is damaged", "download the model again") from None
        return [folder / name for name in shards]
    single = folder / "model.safetensors"
    if not single.is_file():
        raise MidspanError(f"{folder} holds no model.safetensors", "give a directory with safetensors weights")
    return [single]


def _refuse_variants(path: Path, raw: dict[str, Any]) -> None:
    """Settings that would change the computation silently."""
    head_size = raw.get("head_dim") or raw["hidden_size"] // raw["num_attention_heads"]
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    odd = {
        "attention_bias": raw.get("attention_bias", False),
        "mlp_bias": raw.get("mlp_bias", False),
        "hidden_act": raw.get("hidden_act", "silu") != "silu",
        "head_dim": head_size * raw["num_attention_heads"] != raw["hidden_size"],
        f"rope type {rope_type}": rope_type != "default",
    }
    for name, set_ in odd.items():
        if set_:
            raise MidspanError(f"{path}: {name} is not that of a plain Llama", "only plain Llama models are supported")
