from hypothesis import given
from hypothesis import strategies as st

from midspan.complete.type_through import CLOSERS, rest_of

CODE = st.text(alphabet="ab ()[]{}'\"\n\r\t,:é🙂", max_size=12)


def accepted(place: tuple[str, str], text: str, replace: int) -> str:
    return place[0] + text + place[1][replace:]


@st.composite
def suggestions(draw):
    before = draw(CODE), draw(CODE)
    line = before[1].split("\n")[0].split("\r")[0]
    return before, draw(CODE), draw(st.integers(0, len(line)))


@given(suggestions(), CODE, CODE)
def test_what_is_left_makes_the_same_document_whatever_stands_there_now(suggestion, prefix, suffix):
    before, text, replace = suggestion
    for now in ((prefix, suffix), (before[0] + prefix, suffix + before[1]), (before[0] + text[:3], suffix + before[1])):
        left = rest_of(before, text, replace, now)
        if left is not None:
            rest, behind = left
            assert rest
            assert accepted(now, rest, behind) == accepted(before, text, replace)
            assert not set("\r\n") & set(now[1][:behind])


@given(suggestions(), st.integers(0, 12))
def test_typing_along_leaves_the_rest(suggestion, typed):
    before, text, replace = suggestion
    left = rest_of(before, text, replace, (before[0] + text[:typed], before[1]))
    if replace == 0 and text[typed:]:
        assert left == (text[typed:], 0)
    if not text[typed:]:
        assert left is None


@given(
    CODE, CODE, st.sampled_from("([{\"'"), st.text(alphabet="ab, ", max_size=5), st.text(alphabet="ab:\n ", max_size=5)
)
def test_closers_that_the_editor_puts_in_are_no_contradiction(prefix, suffix, opener, inside, behind):
    text, closer = opener + inside + CLOSERS[opener] + behind, CLOSERS[opener]
    for typed in range(len(inside) + 1):
        now = prefix + text[: 1 + typed], closer + suffix
        left = rest_of((prefix, suffix), text, 0, now)
        if left is None:
            # Nothing but the closer is left, and that stands there already.
            assert text[1 + typed :] == closer
        else:
            assert accepted(now, *left) == prefix + text + suffix


def test_an_indented_block_that_the_editor_opens():
    before = "void f() ", "\nint g;\n"
    text = "{\n    return 1;\n}"
    assert rest_of(before, text, 0, ("void f() {", "}\nint g;\n")) == ("\n    return 1;\n", 0)
    assert rest_of(before, text, 0, ("void f() {\n    ", "\n}\nint g;\n")) == ("return 1;", 0)
    assert rest_of(before, text, 0, ("void f() {\n    ret", "\n}\nint g;\n")) == ("urn 1;", 0)


def test_what_the_user_may_have_written_is_never_replaced():
    before = "f(", "\n"
    assert rest_of(before, "a, b)", 0, ("f(a", ", c)\n")) is None
    assert rest_of(before, "a, b)", 0, ("f(a", ")\n")) is None
    assert rest_of(before, "a, (b)", 0, ("f(a, (", ")\n")) == ("b", 0)
    assert rest_of(before, "(a) + b", 0, ("f((", "]\n")) is None
    assert rest_of(before, "(a", 0, ("f((", ")\n")) is None
    assert rest_of(before, "a", 0, ("f(", "")) is None


def test_a_replaced_closer_may_be_typed_over():
    before = "f(", ")\n"
    text = "a)\n    return"
    assert rest_of(before, text, 1, ("f(a", ")\n")) == (")\n    return", 1)
    assert rest_of(before, text, 1, ("f(a)", "\n")) == ("\n    return", 0)
    assert rest_of(before, text, 1, ("f(a)\n", "\n")) == ("    return", 0)
