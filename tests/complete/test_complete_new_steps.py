"""The steps that need the whole document or the model's own judgement: closers, style, stubs, secrets, confidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.complete.confidence import Evidence, kept_logprobs
from midspan.complete.draft import Draft
from midspan.complete.pipeline import run_steps
from midspan.complete.secrets import contains_secret
from midspan.complete.steps.placeholder import cut_placeholder
from midspan.complete.steps.secret import drop_secret
from midspan.complete.steps.style import take_style
from midspan.complete.steps.unsure import drop_unsure
from midspan.engine.calibration import Calibration
from midspan.engine.protocol import Delta
from midspan.syntax.languages import language_of

PYTHON, JAVA = language_of("a.py"), language_of("A.java")
TOKEN = "ghp_" + "a1B2c3D4" * 5


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "language", "shown", "replaced", "insertion"),
    [
        ("foo(", "a, b)\nbar()\n", ")\n", PYTHON, "a, b", 0, "a, b"),
        ("def f(", "a, b):\n    return a", ")\n", PYTHON, "a, b):", 1, "a, b"),
        ('print("', 'hello", x)\n', '")\n', PYTHON, 'hello", x', 1, "hello"),
        ("x = foo(", "a).bar()\n", ")\n", PYTHON, "a).bar()", 1, "a"),
        ("class A {\n  void f() {\n    x.foo(", "a).bar(1);\n", ");\n  }\n}\n", JAVA, "a).bar(1);", 2, "a"),
        ("foo(", "a) +", ")\n", PYTHON, "a", 0, "a"),
        ("foo(", "a) + b", ", c)\n", PYTHON, "a", 0, "a"),
    ],
)
def test_closers_behind_the_caret_are_replaced_where_the_text_goes_on(
    prefix, text, suffix, language, shown, replaced, insertion
):
    final, _ = run_steps(Draft(text, prefix, suffix, language, block=False))
    assert (final.text, final.replace) == (shown, replaced)
    if final.replace:
        assert final.text[: final.insertable] == insertion


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "styled"),
    [
        ("if a:\r\n    ", "b\n    c", "\r\n", "b\r\n    c"),
        ("if a:\r    ", "b\r\n    c", "\r", "b\r    c"),
        ("if a:\n\tb\n\t", "c\n    d\n        e", "\n", "c\n\td\n\t\te"),
        ("if a:\n\tb\n\t", "if c:\n    d", "\n", "if c:\n\td"),
        ("if a:\n  b\n  ", "if c:\n\t\td", "\n", "if c:\n    d"),
        ("if a:\n  b\nif c:\n  ", "if d:\n      e\n  f", "\n", "if d:\n    e\n  f"),
        ("if a:\n    b\n    ", "c(\n      1)", "\n", "c(\n      1)"),
        ("", "a\n  b", "", "a\n  b"),
    ],
)
def test_style(prefix, text, suffix, styled):
    draft = Draft(text, prefix, suffix, PYTHON)
    assert take_style(draft).text == styled
    assert take_style(take_style(draft)) == take_style(draft)


WHOLE = "def a():\n    return 1\n\n\ndef b():\n    return 2\n\n\n"


@pytest.mark.parametrize(
    ("prefix", "text", "kept"),
    [
        (WHOLE + "def c():\n    ", "pass", ""),
        (WHOLE + "def c():\n    ", "raise NotImplementedError", ""),
        (WHOLE + "def c():\n    ", "x = 1\n    # TODO: the rest\n    return x", "x = 1"),
        (WHOLE + "def c():\n    # TODO ", "TODO: check", "TODO: check"),
        (WHOLE + "@abstractmethod\ndef c():\n    ", "raise NotImplementedError", "raise NotImplementedError"),
        (WHOLE + "def c():\n    raise ", "NotImplementedError", "NotImplementedError"),
        ("def a():\n    pass\n\n\ndef c():\n    ", "pass", "pass"),
        (WHOLE + "for a in b:\n    ", "pass", "pass"),
        (WHOLE + "def c(a):\n    ", "return NotImplemented", "return NotImplemented"),
        ("fn main() {\n    ", "todo!()", ""),
        ("function f() {\n  ", "// your code here", ""),
        ("void f() {\n  ", "throw new UnsupportedOperationException();", ""),
    ],
)
def test_placeholders(prefix, text, kept):
    after = cut_placeholder(Draft(text, prefix, "", PYTHON))
    assert after.text == kept
    assert bool(after.dropped) == (not kept)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'key = "{TOKEN}"', True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("postgres://admin:hunter27x@db.internal/x", True),
        ('api_key = "9fK2mQ7xR4vT8wZ1bN6c"', True),
        ("mail = REDACTED_EMAIL_1", True),
        ('password = "changeme-please-now"', False),
        ("token = secrets.token_hex(32)", False),
        ('api_key = "your_api_key_goes_here_123"', False),
        ("https://user:{password}@host", False),
        ("sha = 'aaaaaaaaaaaaaaaaaaaaaaaa'", False),
    ],
)
def test_secrets(text, found):
    assert contains_secret(text) == found


def test_a_secret_is_dropped_unless_it_was_there_before():
    assert drop_secret(Draft(TOKEN[10:], f'key = "{TOKEN[:10]}', '"\n')).dropped
    assert not drop_secret(Draft(" # mine", f'key = "{TOKEN}"', "\n")).dropped
    assert not drop_secret(Draft("os.environ['KEY']", "key = ", "\n")).dropped


PIECES = (Delta("return", (-0.1,)), Delta(" a", (-0.2,)), Delta(" +\n", (-0.4,)), Delta("    b", (-0.8,)))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("return a", (-0.1, -0.2)),
        ("return a +\r\n\tb", (-0.1, -0.2, -0.4, -0.8)),
        ("ret", (-0.1,)),
        ("", ()),
        (" \n", ()),
    ],
)
def test_log_probabilities_of_what_is_left(text, kept):
    assert kept_logprobs(PIECES, text) == kept


def test_confidence_is_calibrated_by_language_and_drops_what_is_unsure():
    calibration = Calibration(weights=(1.0, 0.0, 0.0, 0.0, 0.0, 0.0), bias=0.0, languages={"java": (2.0, -1.0)})
    python = Evidence(PIECES, "end", "python", calibration)
    assert python.confidence("return") == pytest.approx(0.475, abs=1e-3)  # 1 / (1 + e^0.1)
    assert Evidence(PIECES, "end", "java", calibration).confidence("return") == pytest.approx(0.2315, abs=1e-3)
    assert Evidence(PIECES, "end").confidence("return a") == pytest.approx(2.718281828**-0.3)
    draft = Draft("return", "", "", PYTHON, evidence=python, min_confidence=0.5)
    assert drop_unsure(draft).dropped == "confidence 0.48 is below 0.50"
    assert not drop_unsure(Draft("return", "", "", evidence=Evidence(PIECES, "end"), min_confidence=0.9)).dropped


@given(st.lists(st.floats(-30, 0), min_size=1, max_size=8), st.sampled_from(["end", "stop", "length"]))
def test_confidence_is_a_probability(logprobs, reason):
    pieces = tuple(Delta("a ", (logprob,)) for logprob in logprobs)
    for calibration in (None, Calibration(weights=(9.0, 1.0, 1.0, -1.0, 1.0, 0.0), bias=3.0)):
        assert 0.0 <= Evidence(pieces, reason, "", calibration).confidence("a a") <= 1.0
