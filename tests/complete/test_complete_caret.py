"""Kinds of places, and which of them want several lines."""

import pytest

from midspan.complete.caret import BLOCKS, caret_kind
from midspan.syntax.languages import language_of


@pytest.mark.parametrize(
    ("path", "prefix", "suffix", "kind"),
    [
        ("a.py", "", "", "blank line"),
        ("a.py", "def f():\n    ", "\nx = 1", "blank line"),
        ("a.py", "f(\n    ", ");\n", "blank line"),
        ("a.txt", "f(\r\n    ", ")\r\n", "blank line"),
        ("a.py", "def f():", "\n", "start of a block"),
        ("a.py", "d = {'a':", "}\n", "arguments"),
        ("A.java", "void f() {", "}\n", "start of a block"),
        ("a.js", "xs.map(x =>", ")\n", "start of a block"),
        ("a.py", "x = ", "", "value"),
        ("a.py", "def f():\n    return ", "\n", "value"),
        ("a.py", "if x == ", ":\n", "before code"),
        ("a.py", "f(a, ", ")\n", "arguments"),
        ("a.py", "impo", "\n", "statement"),
        ("a.py", "    ", "x = 1\n", "before code"),
        ("a.py", "x = 1  # the ", "\n", "comment"),
        ("a.py", "x = 'the ", "'\n", "string"),
        ("a.py", 'def f():\n    """The ', '\n    """\n', "string"),
        ("a.py", "x = 1  # the\n", "\n", "blank line"),
        ("A.java", "int x; /* the ", " */\n", "comment"),
        ("A.java", "int x; /* the */ ", "\n", "statement"),
        ("A.java", "// the ", "\n", "comment"),
    ],
)
def test_kinds(path, prefix, suffix, kind):
    found = caret_kind(prefix, suffix, language_of(path))
    assert found == kind
    assert (found in BLOCKS) == (kind in ("blank line", "start of a block"))
