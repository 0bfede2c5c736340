"""Hugging Face Llama directory -> GGUF file for llama.cpp, with numpy alone.

Three things differ between the two formats. llama.cpp rotates neighbouring pairs (2i, 2i + 1) of a head where Hugging
Face rotates (i, i + D/2), so the rows of q and k are interleaved. Tied models have no output tensor. The tokenizer
becomes lists of tokens, types and merges; the roles of the FIM tokens are written too, so that llama.cpp's own
`/infill` prints our prompts, and the whole tokenizer.json travels along under `tokenizer.huggingface.json`.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
from numpy.typing import NDArray

from midspan.errors import MidspanError
from midspan.model.hf_config import END_TOKEN, read_config, weight_files
from midspan.model.tokenizer import deepseek_coder_pre_tokenizer
from midspan.recipe.schema import ModelConfig

Dtype = Literal["f32", "f16", "q8_0"]
FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
NUMPY_TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
FIM_KEYS = {
    "tokenizer.ggml.fim_pre_token_id": "<fim_prefix>",
    "tokenizer.ggml.fim_suf_token_id": "<fim_suffix>",
    "tokenizer.ggml.fim_mid_token_id": "<fim_middle>",
    "tokenizer.ggml.fim_sep_token_id": "<filename>",
}
BLOCK_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OUTER_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def export_gguf(hf_dir: Path, out: Path, dtype: Dtype, metadata: Mapping[str, str] | None = None) -> None:
    """Write the model in `hf_dir` to the file `out`; it appears only when whole.

    `dtype` is the type of the matrices; norms stay float32, and a matrix whose rows are no multiple of 32 is float16 in
    a q8_0 file. `metadata` is written under its keys as it is. Raises MidspanError if the directory is incomplete.
    """
    config, vocab_size = read_config(hf_dir)
    aside = out.with_name(out.name + ".partial")
    writer = gguf.GGUFWriter(aside, "llama")
    _add_shape(writer, config, vocab_size, FILE_TYPES[dtype])
    _add_tokenizer(writer, hf_dir, vocab_size)
    for key, value in sorted({"general.name": "midspan", **(metadata or {})}.items()):
        writer.add_string(key, value)
    seen: set[str] = set()
    for name, tensor in _tensors(hf_dir):
        target = gguf_name(name)
        if target == "output.weight" and config.tie_embeddings:
            continue
        seen.add(target)
        data, kind = _convert(permute(name, tensor, config), dtype)
        writer.add_tensor(target, data, raw_dtype=kind)
    missing = expected_tensors(config) - seen
    if missing:
        raise MidspanError(f"{hf_dir} lacks the weights of {sorted(missing)[0]}", "export the model again")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with aside.open("rb+") as file:
        os.fsync(file.fileno())
    aside.replace(out)


def gguf_name(name: str) -> str:
    """GGUF's name of a Hugging Face parameter."""
    stem = name.removesuffix(".weight")
    if stem.startswith("model.layers."):
        _, _, number, rest = stem.split(".", 3)
        if rest in BLOCK_NAMES:
            return f"blk.{number}.{BLOCK_NAMES[rest]}.weight"
    if stem in OUTER_NAMES:
        return f"{OUTER_NAMES[stem]}.weight"
    raise MidspanError(f"the weight {name} is not one of a plain Llama", "only plain Llama models are supported")


def expected_tensors(config: ModelConfig) -> set[str]:
    """Names of all tensors that the file of a model of this shape must hold."""
    blocks = {f"blk.{number}.{name}.weight" for number in range(config.layers) for name in BLOCK_NAMES.values()}
    outer = {f"{name}.weight" for name in OUTER_NAMES.values() if not (config.tie_embeddings and name == "output")}
    return blocks | outer


def permute(name: str, tensor: NDArray[Any], config: ModelConfig) -> NDArray[Any]:
    """Interleave the two halves of every head of the query and key projections; other tensors stay as they are."""
    heads = {"q_proj.weight": config.heads, "k_proj.weight": config.kv_heads}.get(".".join(name.split(".")[-2:]))
    if heads is None:
        return tensor
    rows, columns = tensor.shape
    return tensor.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _convert(tensor: NDArray[Any], dtype: Dtype) -> tuple[NDArray[Any], gguf.GGMLQuantizationType]:
    types = gguf.GGMLQuantizationType
    if tensor.ndim == 1 or dtype == "f32":
        return np.ascontiguousarray(tensor, dtype=np.float32), types.F32
    if dtype == "q8_0" and tensor.shape[-1] % 32 == 0:
        return gguf.quants.quantize(np.ascontiguousarray(tensor, dtype=np.float32), types.Q8_0), types.Q8_0
    return np.ascontiguousarray(tensor, dtype=np.float16), types.F16


def _tensors(hf_dir: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every tensor with its name. The file is read by hand, as safetensors' numpy reader has no bfloat16."""
    for path in weight_files(hf_dir):
        header, content = _safetensors(path)
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            if entry["dtype"] not in NUMPY_TYPES:
                raise MidspanError(f"{path}: {name} is of type {entry['dtype']}", "save the model as F32, F16 or BF16")
            start, end = entry["data_offsets"]
            tensor = content[start:end].view(NUMPY_TYPES[entry["dtype"]]).reshape(entry["shape"])
            if entry["dtype"] == "BF16":
                tensor = (tensor.astype(np.uint32) << 16).view(np.float32)
            yield name, tensor


def _safetensors(path: Path) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """The header of a safetensors file and, mapped, the bytes behind it."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(size))
        content = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + size)
        whole = len(content) == max(
            entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError):
        whole = False
    if not whole:
        raise MidspanError(f"{path} is not a whole safetensors file", "export or download the model again")
    return header, content


def _add_shape(writer: gguf.GGUFWriter, config: ModelConfig, vocab_size: int, kind: gguf.LlamaFileType) -> None:
    writer.add_file_type(kind)
    writer.add_vocab_size(vocab_size)
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.mlp_size)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.heads)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)


def _add_tokenizer(writer: gguf.GGUFWriter, hf_dir: Path, vocab_size: int) -> None:
    path = hf_dir / "tokenizer.json"
    if not path.is_file():
        raise MidspanError(f"{hf_dir} holds no tokenizer.json", "export the model together with its tokenizer")
    text = path.read_text(encoding="utf-8")
    raw = json.loads(text)
    if raw["pre_tokenizer"] != json.loads(deepseek_coder_pre_tokenizer().__getstate__()):
        raise MidspanError(f"{path} splits text in an unknown way", "only tokenizers made by Midspan can be exported")
    special = {token["content"]: token["id"] for token in raw["added_tokens"]}
    ids = raw["model"]["vocab"] | special
    if len(ids) != vocab_size or sorted(ids.values()) != list(range(vocab_size)):
        raise MidspanError(f"{path} has {len(ids)} tokens, config.json says {vocab_size}", "export the model again")
    if END_TOKEN not in special:
        raise MidspanError(f"{path} has no {END_TOKEN}", "only Midspan's own models can be exported")
    kinds = [
        gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in sorted(ids, key=ids.get)
    ]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in raw["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("deepseek-coder")
    writer.add_token_list(sorted(ids, key=ids.get))
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(special[END_TOKEN])
    writer.add_eos_token_id(special[END_TOKEN])
    writer.add_pad_token_id(special[END_TOKEN])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    for key, token in FIM_KEYS.items():
        if token in special:
            writer.add_uint32(key, special[token])
    writer.add_string("tokenizer.huggingface.json", text)
