"""What holds of all steps together, for any text at any place."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midspan.complete.draft import Draft
from midspan.complete.pipeline import STEPS, run_steps
from midspan.syntax.languages import language_of

PYTHON, JAVA = language_of("a.py"), language_of("A.java")
WORDS = st.sampled_from(
    [
        "a",
        "b = 1",
        "f(",
        ")",
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
        ";",
        ",",
        ":",
        " ",
        "    ",
        "\t",
        "return x",
        "if a:",
        "def g(b):",
    ]
)
NEWLINES = ("\n", "\r\n", "\r")


def code(newlines: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(WORDS | st.sampled_from(newlines), max_size=14).map("".join)


OPEN = st.sampled_from(["f(", 'g("', "x = [", "def h(", "if (", "f(g(", "f({"])
CLOSED = st.sampled_from([")", '")', "]", "):", ");", "))", "})"])
GOES_ON = st.sampled_from(["a, b):", 'a", b)', "1].sort()", "a).b(1)", "b)) + 1", "a: 1}).c()", "a);"])


@st.composite
def drafts(draw) -> Draft:
    """Anything anywhere, and as often text that writes the closers behind the caret again and goes on."""
    newline = draw(st.sampled_from(NEWLINES))
    closed = draw(st.booleans())
    return Draft(
        text=draw(GOES_ON if closed else code(NEWLINES)),
        prefix=draw(code((newline,))) + (newline + draw(OPEN) if closed else ""),
        suffix=(draw(CLOSED) + newline if closed else "") + draw(code((newline,))),
        language=draw(st.sampled_from([None, PYTHON, JAVA])),
        block=draw(st.booleans()),
        quoted=draw(st.booleans()),
        truncated=draw(st.booleans()),
    )


def visible(text: str) -> str:
    return "".join(text.split())


@given(drafts())
@example(Draft('";', '"', '"', PYTHON, block=False))
@settings(max_examples=200)
def test_steps_only_shorten_restyle_or_drop_and_say_so(draft):
    final, reports = run_steps(draft)
    assert visible(draft.text).startswith(visible(final.text))
    changed = (final.text, final.replace, final.dropped) != (draft.text, 0, "")
    assert any(report.did for report in reports) == changed
    assert bool(final.text) != bool(final.dropped)
    assert [report.name for report in reports] == [step.name for step in STEPS][: len(reports)]
    if not draft.block and not any(bracket in final.text for bracket in "([{"):
        assert not re.search(r"[\r\n]", final.text)


@given(drafts())
@settings(max_examples=200)
def test_what_is_replaced_stands_behind_the_caret_on_its_line_and_taking_it_back_restores_the_document(draft):
    final, _ = run_steps(draft)
    assert 0 <= final.replace <= len(draft.line_behind)
    assert not final.replace or final.text[final.insertable] == draft.suffix[0]
    document = draft.prefix + final.text + draft.suffix[final.replace :]
    taken_back = (
        document[: len(draft.prefix)] + draft.suffix[: final.replace] + document[len(draft.prefix + final.text) :]
    )
    assert taken_back == draft.prefix + draft.suffix


@given(drafts())
@settings(max_examples=200)
def test_a_suggestion_does_not_end_with_what_follows_it(draft):
    final, _ = run_steps(draft)
    behind = draft.suffix[final.replace :]
    rest = draft.line_behind[final.replace :].rstrip()
    if re.search(r"\w", rest):
        assert not final.text.endswith(rest)
    if behind[:1] in (*" \t\r\n;,:",) and behind:
        assert not final.text.endswith(behind[:1])


@given(drafts())
@settings(max_examples=200)
def test_steps_have_nothing_to_do_the_second_time(draft):
    final, _ = run_steps(draft)
    if final.text:
        again, _ = run_steps(replace(final, replace=0, insertable=0))
        assert again == final


@given(drafts(), st.sampled_from(NEWLINES))
@settings(max_examples=100)
def test_line_breaks_are_those_of_the_document(draft, newline):
    prefix = newline.join(["x = 1", "y = 2", re.sub(r"[\r\n]", "", draft.prefix)])
    final, _ = run_steps(replace(draft, prefix=prefix, suffix="", block=True))
    assert set(re.findall(r"\r\n|\r|\n", final.text)) <= {newline}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
@given(draft=drafts())
@settings(max_examples=25)
def test_each_step_is_pure_and_does_no_harm_alone(step, draft):
    once, again = step.apply(draft), step.apply(draft)
    assert once == again
    assert visible(draft.text).startswith(visible(once.text))
    assert (once.prefix, once.suffix) == (draft.prefix, draft.suffix)
