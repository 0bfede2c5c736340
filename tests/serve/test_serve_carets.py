"""What is made of foreign requests and of the suggestions for them."""

from hypothesis import assume, given
from hypothesis import strategies as st

from midspan.complete.request import Suggestion, Timings
from midspan.prompt.build import Prompt
from midspan.serve.dialects.carets import document_key, texts
from midspan.serve.dialects.llama_cpp import indented

CODE = st.text("ab()]\n ", max_size=30)


def suggestion(text: str, replace: int = 0, *alternatives: str) -> Suggestion:
    return Suggestion(
        text=text,
        logprob=0.0,
        stop_reason="end",
        prompt_tokens=1,
        cached_tokens=0,
        completion_tokens=1,
        timings=Timings(0, 0, 0),
        dropped="",
        prompt=Prompt([1], "", ()),
        steps=(),
        replace=replace,
        insertable=len(text) - replace,
        alternatives=tuple(suggestion(other) for other in alternatives),
    )


def test_candidates_are_what_can_be_inserted_each_once():
    assert texts(suggestion("x)", 1, "y", "x", "y")) == ["x", "y"]
    assert texts(suggestion("")) == [""]


@given(st.lists(st.text("ab ", max_size=8), max_size=60), CODE, st.text("ab ", max_size=5))
def test_a_document_keeps_its_key_while_a_line_is_typed(lines, suffix, typed):
    prefix = "".join(line + "\n" for line in lines)
    assume(prefix or suffix)
    assert document_key("u", "", prefix + typed, suffix) == document_key("u", "", prefix, suffix)


def test_keys_of_users_paths_and_texts_differ_and_tell_nothing():
    keys = [
        document_key("ann", "a.py", "x", "y"),
        document_key("bob", "a.py", "x", "y"),
        document_key("ann", "b.py", "x", "y"),
        document_key("ann", "", "x\n", "y"),
        document_key("ann", "", "z\n", "y"),
        document_key("ann", "", "x\n", "z"),
    ]
    assert len(set(keys)) == len(keys)
    assert not any("a.py" in key or "ann" in key for key in keys)
    assert document_key("ann", "a.py", "x", "y") == document_key("ann", "a.py", "other", "text")
    assert document_key("ann", "", "", "") == ""


@given(CODE, st.integers(0, 4))
def test_lines_that_are_indented_less_end_the_text(text, least):
    kept = indented(text, least)
    assert text.startswith(kept)
    for line in kept.split("\n")[1:]:
        assert not line.strip() or len(line) - len(line.lstrip()) >= least
    assert indented(kept, least) == kept
    assert kept.split("\n")[0] == text.split("\n")[0]
