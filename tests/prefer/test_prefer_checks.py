import pytest
from case_samples import MIDDLE, SUFFIX, case

from midspan.prefer.judges.checks import copies_suffix, failed_check, is_repetitive, is_stub

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
