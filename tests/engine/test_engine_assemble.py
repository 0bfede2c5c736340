from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.engine.assemble import Assembler, StartMismatch
from midspan.engine.protocol import GenerateRequest


def run(pieces: list[str], **settings) -> tuple[str, str, Assembler]:
    """The joined deltas, the final text and the assembler."""
    assembler = Assembler(GenerateRequest([1], 100, **settings))
    deltas = []
    for piece in pieces:
        delta = assembler.push(piece, (-1.0,))
        if delta:
            deltas.append(delta.text)
        if assembler.stopped:
            break
    last = assembler.finish()
    if last:
        deltas.append(last.text)
    return "".join(deltas), assembler.text, assembler


@given(
    st.lists(st.text("ab\n", max_size=4), max_size=12), st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=3)
)
def test_text_ends_before_a_stop_string(pieces, stops):
    streamed, text, assembler = run(pieces, stop=tuple(stops))
    whole = "".join(pieces)
    assert streamed == text
    assert not any(stop in text for stop in stops)
    assert assembler.stopped == any(stop in whole for stop in stops)
    if assembler.stopped:
        assert any(whole.startswith(text + stop) for stop in stops)
    else:
        assert text == whole


@given(st.text(max_size=12), st.text(max_size=12), st.lists(st.integers(0, 24), max_size=5))
def test_start_is_taken_off_however_the_text_is_cut(start, rest, cuts):
    whole = start + rest
    marks = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    pieces = [whole[a:b] for a, b in pairwise(marks)]
    streamed, text, _ = run(pieces, starts_with=start)
    assert streamed == text == rest


def test_wrong_start_is_noticed_at_its_first_character():
    assembler = Assembler(GenerateRequest([1], 100, starts_with="return"))
    assert assembler.push("ret", (-1.0,)) is None
    with pytest.raises(StartMismatch):
        assembler.push("ry", (-1.0,))


def test_start_that_never_comes_is_a_mismatch():
    with pytest.raises(StartMismatch):
        run(["ret"], starts_with="return")


def test_logprobs_belong_to_the_tokens_of_the_text():
    assembler = Assembler(GenerateRequest([1], 100, starts_with="ab"))
    assert assembler.push("a", (-1.0,)) is None
    delta = assembler.push("bc", (-2.0,))
    assert delta is not None and delta.text == "c" and delta.logprobs == (-2.0,)


def test_until_sees_the_text_so_far_and_ends_it():
    seen = []
    streamed, text, assembler = run(["a", "b", "c"], until=lambda text: seen.append(text) or text == "ab")
    assert (streamed, text, assembler.stopped, seen) == ("ab", "ab", True, ["a", "ab"])
