import json

import pytest
import torch
from model_samples import SHAPES, small_model, tokenizer_json
from torch.nn import functional as F

from midspan.errors import MidspanError
from midspan.model.checkpoint import load_hf, save_hf
from midspan.model.llama import Llama


def block_mask(documents):
    """[B, T, T]: same document and not later."""
    same = documents[:, :, None] == documents[:, None, :]
    return same & torch.ones(same.shape[1:], dtype=torch.bool).tril()


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_transformers(shape, tmp_path):
    transformers = pytest.importorskip("transformers")
    model = small_model(shape)
    save_hf(model, tokenizer_json(), tmp_path)
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids = torch.randint(0, 800, (2, 70), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = model(ids), other(ids).logits
    assert ours.abs().max() > 1
    assert (ours - theirs).abs().max() < 1e-4


def test_tokenizer_of_the_directory_agrees_in_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    save_hf(small_model("tied"), tokenizer_json(), tmp_path)
    from midspan.prompt.tokenizer import Tokenizer

    theirs, ours = transformers.AutoTokenizer.from_pretrained(tmp_path), Tokenizer.load(tmp_path)
    text = "def f(x):\n    return x + 123  # naïve 🙂\n\n\tpass\r\n"
    assert theirs(text)["input_ids"] == ours.encode(text)
    assert theirs.decode(ours.encode(text)) == text
    assert theirs.eos_token_id == ours.special("<|endoftext|>")


def test_packed_documents_give_the_logits_they_have_alone():
    model = small_model("untied_gqa")
    first, second = torch.arange(10, 31), torch.arange(200, 240)
    packed = torch.cat((first, second))[None]
    documents = torch.tensor([[0] * 21 + [1] * 40])
    positions = torch.cat((torch.arange(21), torch.arange(40)))[None]
    with torch.no_grad():
        together = model(packed, block_mask(documents), positions)[0]
        assert (together[:21] - model(first[None])[0]).abs().max() < 1e-4
        assert (together[21:] - model(second[None])[0]).abs().max() < 1e-4
        unmasked = model(packed)[0]
    assert (unmasked[21:] - together[21:]).abs().max() > 1e-2


def test_select_gives_the_rows_of_the_whole():
    model = small_model("tied")
    ids = torch.arange(24).view(2, 12)
    select = torch.zeros(2, 12, dtype=torch.bool)
    select[0, 3] = select[1, 7:] = True
    with torch.no_grad():
        assert torch.allclose(model(ids, select=select), model(ids)[select], atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_saving_and_loading_changes_nothing(shape, tmp_path):
    model = small_model(shape)
    save_hf(model, tokenizer_json(), tmp_path)
    again = load_hf(tmp_path)
    assert again.config == model.config
    for (name, ours), (other_name, theirs) in zip(model.named_parameters(), again.named_parameters(), strict=True):
        assert name == other_name
        assert torch.equal(ours, theirs)
    assert (again.lm_head.weight is again.model.embed_tokens.weight) == model.config.tie_embeddings


def test_initial_loss_is_that_of_chance_and_seeds_repeat():
    models = [Llama(SHAPES["tied"], 800) for _ in range(2)]
    for model in models:
        model.initialise(7)
    ids = torch.randint(0, 800, (2, 33), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first, second = (model(ids[:, :-1]) for model in models)
    assert torch.equal(first, second)
    loss = F.cross_entropy(first.flatten(0, 1), ids[:, 1:].flatten())
    assert abs(loss.item() - torch.log(torch.tensor(800.0)).item()) < 0.1


def test_broken_directories_are_named(tmp_path):
    with pytest.raises(MidspanError, match=r"config\.json"):
        load_hf(tmp_path)
    save_hf(small_model("tied"), tokenizer_json(), tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(MidspanError, match="cannot be read"):
        load_hf(tmp_path)
    weights.unlink()
    with pytest.raises(MidspanError, match=r"no model\.safetensors"):
        load_hf(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    for content in ("{", "{}", "[1]"):
        index.write_text(content)
        with pytest.raises(MidspanError, match=r"index\.json is damaged"):
            load_hf(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": None}, "lacks 'hidden_size'"),
        ({"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}}, "rope type linear"),
        ({"model_type": "mamba"}, "not that of a Llama"),
    ],
)
def test_a_config_that_is_no_plain_llama_is_refused(change, message, tmp_path):
    save_hf(small_model("tied"), tokenizer_json(), tmp_path)
    path = tmp_path / "config.json"
    config = {name: value for name, value in (json.loads(path.read_text()) | change).items() if value is not None}
    path.write_text(json.dumps(config))
    with pytest.raises(MidspanError, match=message):
        load_hf(tmp_path)
