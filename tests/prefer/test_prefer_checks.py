import pytest
from case_samples import MIDDLE, SUFFIX, case, document
from hypothesis import given
from hypothesis import strategies as st

from midspan.prefer.judges.checks import adds_secret, copies_suffix, failed_check, is_repetitive, is_stub
from midspan.prefer.judges.verbatim import recited, windows

BODY = "def area(radius):\n"


def test_the_truth_passes():
    assert failed_check(case(), MIDDLE) == ""


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("        raise NotImplementedError\n", "stub"),
        ("        # TODO: handle this\n        return 0\n", "stub"),
        ("        x = 1\n        x = 1\n        x = 1\n", "repetition"),
        ("        return 0\n\n\ndef volume(radius):\n", "copied suffix"),
        ('        token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"\n        return token\n', "secret"),
        ("        raise ValueError((\n", "syntax"),
    ],
)
def test_each_check(text, check):
    assert failed_check(case(), text) == check


def test_a_check_the_truth_fails_is_not_applied():
    stub = case(prefix=BODY, middle="    raise NotImplementedError\n")
    assert failed_check(stub, "    raise NotImplementedError()\n") == ""
    lines = case(prefix="values = [\n", middle="    0,\n    0,\n    0,\n", suffix="]\n")
    assert failed_check(lines, "    1,\n    1,\n    1,\n") == ""
    mail = case(prefix="AUTHOR = ", middle='"someone@company.com"\n', suffix="")
    assert failed_check(mail, '"other@company.com"\n') == ""


@pytest.mark.parametrize(
    ("prefix", "text", "expected"),
    [
        (BODY, "    pass", True),
        ("def area(\n    radius: float,\n) -> float:\n", "    ...\n", True),
        ("    except KeyError:\n", "        pass\n", False),
        (BODY, "    return todo_list\n", False),
        ("fn main() {\n", "    todo!()\n", True),
        ("int f() {\n", '    throw new UnsupportedOperationException("f");\n', True),
        (BODY, "    return 1  # see the TODO list\n", False),
        (BODY, "    # your code here\n", True),
    ],
)
def test_stubs(prefix, text, expected):
    assert is_stub(prefix, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\nb = 2\na = 1\n", False),
        ("x.append(1)\n" * 3, True),
        ("self.a.self.a.self.a.self.a.", True),
        ("# ------------------------------------", False),
        ("}\n}\n}\n", False),
        (" " * 60 + "x", False),
    ],
)
def test_repetition(text, expected):
    assert is_repetitive(text) == expected


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "expected"),
    [
        ("", "    return 1\n\n\ndef volume(radius):", SUFFIX, True),
        ("    x = ", "f(a, b)", "\n    return x\n", False),
        ("    x = ", "f(a)\n    return x", "\n    return x\n", True),
        ("    ret", "urn x", "\n    return x\n", True),
        ("    if x:\n", "        return x", "\n    return x\n", False),
        ("f(", "first, second_argument)", ", second_argument)\n", True),
        ("f(", "first)", ")\n", False),
        ("{", "\n  a\n}", "\n}\n", False),
    ],
)
def test_copied_suffix(prefix, text, suffix, expected):
    assert copies_suffix(prefix, text, suffix) == expected


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "expected"),
    [
        ("KEY = ", '"AKIAQWERTYUIOPASDFGH"\n', "", True),
        ("def f():\n    password = ", '"qL9#vz2xW81"', "\n", True),
        ("    password = ", "os.environ['PASSWORD']", "\n", False),
        ("contact = ", "REDACTED_EMAIL_1", "\n", True),
        ("mail = 'someone@company.com'  # ", "the owner", "\n", False),
        ("def ", "area(radius):", "\n", False),
    ],
)
def test_secrets(prefix, text, suffix, expected):
    assert adds_secret(prefix, text, suffix) == expected


LINES = [f"value_{number} = compute_something_with(value_{number - 1}, limit={number})" for number in range(30)]
NOWHERE = case(prefix="def f(value_0):\n", middle="return 1\n", suffix="\n")


def found(text, training_lines, where=NOWHERE, project="other"):
    texts = document(project, "a.py", "\n".join(["import this", *training_lines, "print(1)"]), "train")
    return bool(recited([texts], {where: [text]}))


@given(st.integers(0, 20), st.integers(1, 10), st.booleans())
def test_a_text_is_recited_if_enough_of_its_lines_stand_together(start, count, indented):
    lines = LINES[start : start + count]
    text = "\n\n".join(("    " if indented else "") + line for line in ["x = 1", *lines, "y = 2"])
    enough = sum(character.isalnum() for line in lines for character in line) >= 200
    assert found(text, LINES) == enough


def test_what_is_not_recited():
    text = "\n".join(LINES[:10])
    assert found(text, LINES)
    assert not found(text, LINES, project="shapes")
    assert not found(text, [line for number, line in enumerate(LINES) if number % 3])
    assert not found(text, LINES, case(prefix="\n".join(LINES) + "\n", middle="x\n", suffix=""))
    assert not found(text, LINES, case(prefix="", middle=text + "\n", suffix=""))
    assert not found("\n".join(reversed(LINES[:10])), LINES)


def test_the_first_line_is_read_from_its_beginning():
    where = case(prefix="def f():\n    value_0 = compute", middle="x\n", suffix="\n")
    assert windows(where, "_something_with(value_-1, limit=0)\n" + "\n".join(LINES[1:10]))[0][0] == LINES[0]
