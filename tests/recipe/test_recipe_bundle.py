"""The resolved recipe that travels with a leg, and what a bundle's parts must be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.errors import MidspanError
from midspan.recipe.bundle import as_toml, read_index
from midspan.recipe.load import load_recipe, presets
from midspan.recipe.parts import PartWriter, check, joined

SETTINGS = (
    (),
    ("data.filters.preset=opencoder", "data.filters.max_lines=99"),
    ("data.filters.languages.python.max_lines=7", "data.opt_out=a list.toml"),
    ('data.sources=[{kind = "git", url = "a \\"b\\" ü", revision = "v1"}]', "sft.strategies={rag = 1.0}"),
)


@pytest.mark.parametrize("preset", presets())
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_recipe_is_read_back_as_it_was(preset, settings, tmp_path):
    recipe = load_recipe(preset, settings)
    (tmp_path / "recipe.toml").write_text(as_toml(recipe), encoding="utf-8")
    assert load_recipe(str(tmp_path / "recipe.toml")) == recipe


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_parts_hold_the_stream_and_are_of_one_size(tmp_path_factory, writes, size):
    folder = tmp_path_factory.mktemp("parts")
    writer = PartWriter(folder, size)
    for data in writes:
        assert writer.write(data) == len(data)
    parts = writer.close()
    assert joined(folder, parts).read() == b"".join(writes)
    assert all(part.bytes == size for part in parts[:-1]) and parts[-1].bytes <= size
    for part in parts:
        check(folder / part.name, part)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("{}", "damaged"),
        ('{"format": 9}', "format 9"),
        ('{"format": 1, "run": "../up", "stage": "data", "step": 0, "parts": []}', "names what no bundle holds"),
        ('{"format": 1, "run": "a", "stage": "x", "step": 0, "parts": []}', "names what no bundle holds"),
    ],
)
def test_a_bad_index_is_named(text, message, tmp_path):
    (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(MidspanError, match=message):
        read_index(tmp_path)


def test_no_index_is_no_bundle(tmp_path):
    with pytest.raises(MidspanError, match="holds no bundle"):
        read_index(tmp_path)
