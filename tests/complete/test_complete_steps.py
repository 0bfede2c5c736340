"""Each step alone: examples of what it is for, and what holds for every input."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan.complete.draft import Draft
from midspan.complete.pipeline import NAMES, checked
from midspan.complete.steps.above import drop_repeated_above
from midspan.complete.steps.broken import drop_broken
from midspan.complete.steps.empty import drop_empty
from midspan.complete.steps.following import stop_at_following_line
from midspan.complete.steps.line import stop_at_line_end
from midspan.complete.steps.overlap import trim_suffix_overlap
from midspan.complete.steps.repetition import stop_at_repetition
from midspan.complete.steps.scope import stop_at_scope_end
from midspan.complete.steps.unfinished import cut_unfinished
from midspan.errors import MidspanError
from midspan.syntax.languages import language_of

PYTHON, JAVA = language_of("a.py"), language_of("A.java")
CODE = st.text(" \n\tab(){}[];,:'\"=", max_size=40)


def test_a_line_goes_on_while_a_bracket_of_its_own_is_open():
    draft = Draft("g(\n    a,  # :)\n    ')',\n)\ny = 2\n", "x = ", "\n", PYTHON, block=False)
    assert stop_at_line_end(draft).text == "g(\n    a,  # :)\n    ')',\n)"
    in_string = Draft("a (b\nc", 'x = "', '"\n', PYTHON, block=False, quoted=True)
    assert stop_at_line_end(in_string).text == "a (b"


@pytest.mark.parametrize(
    ("block", "text", "kept"),
    [(False, "a = 1\nb = 2", "a = 1"), (False, "a\r\nb", "a"), (False, "\nb", ""), (True, "a\nb", "a\nb")],
)
def test_line(block, text, kept):
    assert stop_at_line_end(Draft(text, "", "", block=block)).text == kept


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "language", "kept"),
    [
        ("def f():\n    ", "return 1\n\n\ndef g():\n    pass\n", "", PYTHON, "return 1"),
        ("class A {\n    void f() {\n        ", "g();\n    }\n\n    void h() {", "\n    }\n}\n", JAVA, "g();"),
        ("def f():\n    ", "if a:\n        return 1\n    return 2", "", PYTHON, None),
    ],
)
def test_scope(prefix, text, suffix, language, kept):
    assert stop_at_scope_end(Draft(text, prefix, suffix, language)).text == (text if kept is None else kept)


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "kept"),
    [
        ("    ", "a = 1\n    b = 2\n", "\n    b = 2\n", "a = 1"),
        ("    ", "b = 2\n    c = 3", "\n\n    b = 2\n", ""),
        ("    x = ", "1\n    b = 2", "\n        b = 2\n", None),
        ("    ", "f();\n    }\n    g();", "\n    }\n", None),
        ("    ", "a", "", None),
    ],
)
def test_following_line(prefix, text, suffix, kept):
    assert stop_at_following_line(Draft(text, prefix, suffix)).text == (text if kept is None else kept)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("n += 1\n    n += 1\n    n += 1\n", "n += 1"),
        ("x\na\nb\na\n\nb\na\nb\n", "x\na\nb"),
        ("a\na\nb\na\na\nb", None),
        ("print('ha, ha, ha, ha, ha, ha, ha, ha, ha, ha')", "print('ha, ha, "),
        ("x = [0, 0, 0, 0]", None),
    ],
)
def test_repetition(text, kept):
    assert stop_at_repetition(Draft(text, "", "")).text == (text if kept is None else kept)


def test_unfinished_block_keeps_its_whole_statements():
    draft = Draft("a = 1\n    b = f(\n        c", "def f():\n    ", "", PYTHON, truncated=True)
    assert cut_unfinished(draft).text == "a = 1"
    assert not cut_unfinished(draft).truncated
    whole = Draft(draft.text, draft.prefix, "", PYTHON, truncated=False)
    assert cut_unfinished(whole) is whole


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "kept"),
    [
        ("print(max(1, ", "2))", "))\n", "2"),
        ("print(max(1, ", "2))", ")\n", "2)"),
        ("print(", "max(1, 2)", ")\n", "max(1, 2)"),
        ("print(", "max(1, 2))", ")\n", "max(1, 2)"),
        ("x = [", "1, 2]", "]\n", "1, 2"),
        ("name = '", "Ada'", "'\n", "Ada"),
        ("name = f(", "'Ada'", ")\n", "'Ada'"),
        ("name = ", "'Ada'", "\n", "'Ada'"),
        ("total = ", "price + tax", " + tax\n", "price"),
        ("f(", "a);", ");\n", "a"),
        ("while (", 'next != ")") {', ") {\n", 'next != ")"'),
        ("x = ", "1\n", "\ny = 2\n", "1"),
        ("void f() {\n    ", "g();\n}", "\n}\n", "g();"),
        ("void f() {\n    ", "g();\n}", "", "g();\n}"),
        ("ret", "urn", "n\n", "ur"),
        ("def f(", "a, b):", "):\n", "a, b"),
        ("d = ", "{}", "}\n", "{}"),
    ],
)
def test_overlap(prefix, text, suffix, kept):
    for language in (None, PYTHON, JAVA):
        if language is None and '")"' in text:
            continue
        assert trim_suffix_overlap(Draft(text, prefix, suffix, language)).text == kept


@given(CODE, CODE, CODE)
@settings(max_examples=300, deadline=None)
def test_overlap_leaves_nothing_that_follows_at_once(prefix, text, suffix):
    draft = Draft(text, prefix, suffix)
    trimmed = trim_suffix_overlap(draft)
    assert text.startswith(trimmed.text)
    assert trim_suffix_overlap(trimmed) == trimmed
    rest = draft.line_behind.rstrip()
    if "a" in rest or "b" in rest:
        assert not trimmed.text.endswith(rest)
    if suffix[:1] in (" ", "\n", ";", ","):
        assert not trimmed.text.endswith(suffix[:1])


@pytest.mark.parametrize(("text", "dropped"), [("", True), (" \n\t", True), ("a", False)])
def test_empty(text, dropped):
    assert bool(drop_empty(Draft(text, "", "")).dropped) == dropped


@pytest.mark.parametrize(
    ("prefix", "text", "dropped"),
    [
        ("a = 1\n", "a = 1", True),
        ("a = 1\nb = 2\n\n", "a = 1\nb = 2\n", True),
        ("if x:\n    f(1)\n    f(", "1)", True),
        ("a = 1\nb = 2\n", "a = 1", False),
        ("}\n", "}", False),
        ("", "a = 1", False),
    ],
)
def test_repeated_above(prefix, text, dropped):
    assert bool(drop_repeated_above(Draft(text, prefix, "")).dropped) == dropped


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "language", "dropped"),
    [
        ("x = 1", " + (2", "\n", PYTHON, True),
        ("x = 1", " + 2", "\n", PYTHON, False),
        ("x = ", "1", "\n", PYTHON, False),
        ("x = (", "1", "\n", PYTHON, False),
        ("x = 1", " + (2", "\n", None, False),
    ],
)
def test_broken(prefix, text, suffix, language, dropped):
    assert bool(drop_broken(Draft(text, prefix, suffix, language)).dropped) == dropped


def test_a_name_that_is_no_step_is_refused_with_the_names():
    assert checked(NAMES) == frozenset(NAMES)
    with pytest.raises(MidspanError, match="no step spell") as error:
        checked(["spell"])
    assert all(name in error.value.hint for name in NAMES)
