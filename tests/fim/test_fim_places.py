"""Places where editors ask: each is what its name says, in every language, and the file comes back whole."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syntax_samples import SAMPLES
from test_fim_syntax import texts

from midspan.fim.places import Place, place_splits
from midspan.syntax.languages import LANGUAGES

CODE = {"python", "java", "kotlin", "javascript", "typescript", "tsx", "go", "rust", "c", "cpp", "csharp", "swift"}


def drawn(name, seed=0, each=20, limit=700, text=None):
    return list(place_splits(text or SAMPLES[name].text, LANGUAGES[name], random.Random(seed), each, limit))


@given(
    text=texts(), name=st.sampled_from(sorted(LANGUAGES)), seed=st.integers(0, 2**32), limit=st.sampled_from([3, 700])
)
def test_any_text_comes_back_whole(text, name, seed, limit):
    found = drawn(name, seed, 2, limit, text or " ")
    assert found == drawn(name, seed, 2, limit, text or " ")
    for place, split in found:
        assert split.prefix + split.middle + split.suffix == (text or " ")
        assert 1 <= len(split.middle) <= limit
        assert split.start_kind == split.end_kind == place
        assert not (split.prefix.endswith("\r") and split.middle.startswith("\n"))


@pytest.mark.parametrize("name", sorted(CODE))
def test_a_caret_stands_where_its_place_says(name):
    found = drawn(name)
    assert {place for place, _ in found} >= set(Place) - {Place.TEXT}
    for place, split in found:
        line = split.prefix.rpartition("\n")[2]
        match place:
            case Place.LINE_START:
                assert not line.strip()
            case Place.LINE_MIDDLE:
                assert line.strip()
            case Place.TOKEN_MIDDLE:
                assert (split.prefix[-1] + split.middle[0]).replace("_", "a").isalnum()
            case Place.ARGUMENTS:
                assert split.prefix.rstrip()[-1] in "([{,"
                assert split.suffix.lstrip()[0] in ")]},"
            case Place.AFTER_LINE:
                assert line.strip() and split.middle.startswith(("\n", "\r\n")) and split.middle.strip()
            case Place.BLOCK_BODY:
                assert split.unit in {"block", "statement"}
            case Place.TEXT:
                assert "\n" not in split.middle
        if place not in (Place.ARGUMENTS, Place.TEXT, Place.BLOCK_BODY):
            ending = split.suffix.partition("\n")[0].strip()
            assert ending == "", (place, split.middle, ending)


def test_the_licence_at_the_head_of_a_file_is_no_place():
    text = '# Copyright by somebody.\n# Do what you like.\n\nimport os\n\n\n# Why.\nx = os.name + "abc"\n'
    for _, split in drawn("python", each=30, text=text):
        assert "Do what" not in split.middle
        assert "import" in split.prefix + split.middle


def test_a_string_is_filled_up_to_its_quote_and_a_comment_to_its_end():
    text = 'x = 1\nname = "one two three"  # four five six\n'
    found = {
        (split.middle, split.suffix.partition("\n")[0])
        for place, split in drawn("python", text=text)
        if place == "text"
    }
    assert found <= {
        *(
            ("one two three", '"  # four five six'),
            ("two three", '"  # four five six'),
            ("three", '"  # four five six'),
        ),
        *(("four five six", ""), ("five six", ""), ("six", "")),
    }
    assert len(found) == 6


def test_arguments_are_asked_for_from_each_comma():
    text = 'x = call(one, ["a, b", (2, 3)], last=4)\n'
    found = {split.middle for place, split in drawn("python", text=text) if place == "arguments"}
    assert found == {'one, ["a, b", (2, 3)], last=4', '["a, b", (2, 3)], last=4', "last=4"}


def test_brackets_that_were_open_before_are_left_to_others():
    text = "f(function () {\n  a(1);\n  return {\n    b: 2,\n    c: 3\n  };\n});\ng();\n"
    for _, split in drawn("javascript", each=100, text=text):
        behind_first_line = split.middle.partition("\n")[2]
        assert behind_first_line.count("}") <= split.middle.count("{"), split
