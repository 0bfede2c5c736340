import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.errors import MidspanError
from midspan.recipe.load import load_recipe, presets
from midspan.recipe.schema import Recipe


def write(tmp_path, text):
    path = tmp_path / "r.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", presets())
def test_presets_are_valid_and_named_after_themselves(name):
    assert load_recipe(name).name == name


def test_every_preset_file_is_listed():
    files = {path.name.removesuffix(".toml") for path in (resources.files("midspan.recipe") / "presets").iterdir()}
    assert files == set(presets())


def test_mellum_preset_has_the_published_shape():
    model = load_recipe("mellum-4b").model
    assert (model.layers, model.hidden_size, model.mlp_size, model.heads, model.kv_heads) == (30, 3_072, 8_256, 24, 24)
    assert model.context_length == 8_192
    assert load_recipe("mellum-4b").tokenizer.vocab_size == 49_152


def test_a_recipe_extends_a_preset_and_keeps_its_other_values(tmp_path):
    path = write(tmp_path, 'name = "mine"\nextends = "nano"\n[pretrain]\ntokens = 5\n')
    recipe, base = load_recipe(path), load_recipe("nano")
    assert recipe.name == "mine"
    assert recipe.pretrain.tokens == 5
    assert recipe.pretrain.batch_tokens == base.pretrain.batch_tokens
    assert recipe.model == base.model


def test_a_recipe_without_name_is_named_after_its_file(tmp_path):
    assert load_recipe(write(tmp_path, 'extends = "nano"\n')).name == "r"


def test_values_from_the_command_line_win(tmp_path):
    path = write(tmp_path, 'extends = "nano"\n[pretrain]\ntokens = 5\n')
    recipe = load_recipe(path, ("pretrain.tokens=7", "pretrain.schedule=cosine", "prefer.temperatures=[0.5]"))
    assert (recipe.pretrain.tokens, recipe.pretrain.schedule, recipe.prefer.temperatures) == (7, "cosine", (0.5,))


@pytest.mark.parametrize(
    ("text", "overrides", "parts"),
    [
        ("[pretrain]\ntoken = 5\n", (), ("r.toml:3: pretrain.token:", 'did you mean "tokens"?', "batch_tokens")),
        ('[sft]\nschedule = "linear"\n', (), ("r.toml:3: sft.schedule:", "'linear'", "'wsd', 'cosine' or 'constant'")),
        ("\n[model]\nheads = 7\n", (), ("r.toml:3: model:", "192", "7")),
        ("[sft]\nstrategies = {rog = 1}\n", (), ("r.toml:3: sft.strategies.rog:", "'rag'")),
        ('[[data.sources]]\nkind = "folder"\n', (), ("r.toml:2: data.sources.0.path:", "is missing")),
        (
            '[[data.sources]]\nkind = "tape"\n',
            (),
            ("r.toml:3: data.sources.0.kind: is 'tape'", "'environment'", "'folder'"),
        ),
        ("[prompt]\nmax_tokens = 2000\n", (), ("prompt.max_tokens 2000", "model.context_length 1024")),
        ('[prefer]\njudge = "llm"\n', (), ("r.toml:2: prefer:", "needs prefer.llm.model")),
        ("[dpo]\nlabel_flips = 0.5\n", (), ("r.toml:3: dpo.label_flips:", "less than 0.5")),
        ("", ("pretrain.tokens=-1",), ("--set: pretrain.tokens:", "-1", "greater than 0")),
        ("", ("model.heads=7",), ("--set: model:", "multiple of heads 7")),
        ("", ("pretrain",), ("--set pretrain:", "section.key=value")),
        ("", ("seed.x=1", "seed.x.y=1"), ("seed.x.y: x is a value",)),
        ("[model\n", (), ("not valid TOML", "line 2")),
        ("[model]\nheads = 'six'\n", (), ("r.toml:3: model.heads:", "'six'", "valid integer")),
    ],
)
def test_what_is_wrong_is_named_with_place_and_allowed_values(tmp_path, text, overrides, parts):
    with pytest.raises(MidspanError) as caught:
        load_recipe(write(tmp_path, 'extends = "nano"\n' + text), overrides)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for part in parts:
        assert part in message


def test_every_problem_has_its_own_line(tmp_path):
    with pytest.raises(MidspanError) as caught:
        load_recipe(write(tmp_path, 'extends = "nano"\n[pretrain]\ntoken = 5\n[sft]\nschedule = "x"\n'))
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["pretrain.token", "sft.schedule"]


def test_unknown_recipe_suggests_a_preset():
    with pytest.raises(MidspanError, match='did you mean "nano"'):
        load_recipe("nanno")


def test_recipes_in_a_circle(tmp_path):
    path = write(tmp_path, 'extends = "r.toml"\n')
    with pytest.raises(MidspanError, match="circle"):
        load_recipe(path)


@given(st.dictionaries(st.sampled_from(["pretrain", "model", "data", "x"]), st.integers() | st.text() | st.booleans()))
def test_wrong_values_never_give_another_error(values):
    table = tomllib.loads((resources.files("midspan.recipe") / "presets" / "nano.toml").read_text())
    try:
        Recipe.model_validate({**table, "name": "x"})
        load_recipe("nano", tuple(f"{key}={value!r}" for key, value in values.items()))
    except MidspanError as error:
        assert str(error)
