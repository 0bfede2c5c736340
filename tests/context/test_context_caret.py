from itertools import pairwise

from midspan.context.caret import QUERY_STEP, Caret, Spot
from midspan.context.similarity import WINDOW_LINES


def test_the_window_around_the_caret_moves_in_steps() -> None:
    lines = [f"{number}\n" for number in range(40)]
    windows = [Caret("a.py", lines[:caret], lines[caret + 1 :]).around for caret in range(len(lines))]
    changes = sum(one != other for one, other in pairwise(windows[QUERY_STEP:]))
    assert changes <= 2 * len(lines) / QUERY_STEP
    for caret, window in enumerate(windows):
        assert lines[caret] not in window
        assert len(window) <= WINDOW_LINES
    assert Caret("a.py", ["a\n"], ["b\n"]).around == ["a\n", "b\n"]


def test_the_carets_own_line_is_not_seen() -> None:
    caret = Caret.at("a.py", "one\ntwo\nthr", "ee\nfour\n")
    assert (caret.above, caret.below) == (["one\n", "two\n"], ["four\n"])
    assert Caret.at("a.py", "one\n", "").above == ["one\n"]


def test_what_was_opened_or_edited_lately() -> None:
    caret = Caret.at("a.py", "", "", ["b.py", "a.py"], [Spot("c.py", 5), Spot("b.py", 1)])
    assert caret.lately == ["b.py", "c.py"]
    assert caret.note("c.py", 0, 6) == ", recently edited"
    assert caret.note("c.py", 0, 5) == ""
    assert caret.note("b.py", 5, 9) == ", recently opened"
