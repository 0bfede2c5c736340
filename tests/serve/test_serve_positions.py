import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.serve.positions import code_units, offset_at

TEXT = st.text(st.sampled_from("ab\n\r\té🙂𝔸\x0c\u2028"), max_size=30)


def positions(text: str, units: str, width: int):
    """Every (line, character, offset) of a text, counted the slow way."""
    line = character = at = 0
    while at < len(text):
        yield line, character, at
        if text[at] == "\n" or (text[at] == "\r" and text[at + 1 : at + 2] != "\n"):
            line, character = line + 1, 0
        elif text[at] == "\r":
            at += 1
            line, character = line + 1, 0
        else:
            character += len(text[at].encode(units)) // width
        at += 1
    yield line, character, at


@pytest.mark.parametrize(
    ("encoding", "units", "width"), [("utf-16", "utf-16-le", 2), ("utf-8", "utf-8", 1), ("utf-32", "utf-32-le", 4)]
)
@given(text=TEXT)
def test_every_position_has_its_offset(encoding, units, width, text):
    for line, character, offset in positions(text, units, width):
        assert offset_at(text, line, character, encoding) == offset
        if character:
            start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
            assert code_units(text[start:offset], encoding) == character


@pytest.mark.parametrize(
    ("line", "character", "offset"), [(0, 99, 1), (1, 99, 4), (2, 0, 5), (2, 99, 5), (99, 0, 5), (1, 1, 2)]
)
def test_positions_outside_are_clamped(line, character, offset):
    assert offset_at("a\n🙂b\n", line, character) == offset
