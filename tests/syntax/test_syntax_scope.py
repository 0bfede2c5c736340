"""Where scopes end: by example in Python, in a brace language, in plain text; and on half-typed code."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syntax_samples import SAMPLES

from midspan.syntax.broken import is_broken
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.scope import scope_end, statement_ends

# language, text before the caret, the completion with ¦ where its scope ends (absent: still open), text behind
EXAMPLES = [
    ("python", "def f(x):\n    ", "y = g(x)\n    return y¦\n\n\ndef h():\n    pass\n", ""),
    ("python", "def f(x):", "\n    return x¦\n\nprint(1)\n", ""),
    ("python", "def f(x)", ":\n    return x¦\n\nprint(1)\n", ""),
    (
        "python",
        "class A:\n    def f(self):\n        ",
        "if x:\n            y()\n        else:\n            z()¦\n\n    def g",
        "",
    ),
    ("python", "if x:\n    ", "y()¦\nelse:\n    z()\n", ""),
    ("python", "x = foo(", "a, b)¦\ny = 2\n", ""),
    ("python", "x = foo(", "a, b¦)\ny = 2\n", ")\n"),
    ("python", "x = ", "foo(bar(a), b¦)\ny = 2\n", ")\n"),
    ("python", "x = foo(", "a,\n    b)¦\ny = 2\n", ""),
    ("python", "x = foo(a", ", '(')¦\ny = 2\n", ""),
    ("python", "foo(\n    ", "a,\n    b,¦\n)\nbar()", "\n)\n"),
    ("python", "", "import os\nimport sys¦\n\nx = 1\n", ""),
    ("python", "x = ", '"""a\n\nb (\n"""¦\ny = 1\n', ""),
    ("python", "def f(:\n    x = (\n\ndef g():\n    ", "return 1¦\n\ndef h():\n", ""),
    ("python", "def f():\n    ", "return 1\n    ", ""),
    ("python", "def f():\n    if x:\n        y\n    ", "el", ""),
    ("javascript", "function f(a) {\n  ", "if (a) {\n    g();\n  }\n  return a;¦\n}\n\nfunction h() {\n", "\n}\n"),
    ("javascript", "function f(a) {\n  ", "return a;\n}¦\n\nfunction h() {\n", "\nfoo();\n"),
    ("javascript", "it('x', () => {", "\n  run();\n});¦\n\nit('y", ""),
    ("javascript", "class A {\n  f() {\n    ", "return 1;¦\n  }\n  g() {", "\n  }\n}\n"),
    ("javascript", "class A {\n  f() {\n    ", "return 1;\n  }¦\n  g() {", "\n}\n"),
    ("javascript", "const s = ", "`}${a}`;¦\nfoo();\n", ""),
    ("javascript", "foo(", "a¦)", ");\n"),
    ("c", "int main() {\n    for (", "int i = 0; i < 3; i++) {\n        f(i);\n    }¦\n    return 0;\n}\n", ""),
    ("c", "int main() {\n    for (", "int i = 0; i < 3; i++¦) {\n        f(i);\n    }\n", ")\n}\n"),
    ("c", "int f(int x)", "\n{\n    return x;\n}¦\n\nint g", ""),
    ("java", "class A {\n    void f() {\n        x", " = 1;¦\n        y = 2;\n    }\n}\n", ""),
    ("ruby", "def foo", "(a)\n  a + 1\nend¦\n\ndef bar\n", ""),
    ("lua", "function f()\n  ", "return 1¦\nend\n", ""),
    ("bash", "for x in a; do\n    ", 'echo "$x"\n    case $x in a) y ;; esac¦\ndone\n', ""),
    ("yaml", "a:\n  - b\n  ", "- c\n  - d¦\ne: f\n", ""),
    (
        "java",
        "class A {\n    void f(int a,\n           int b) {\n        ",
        "g();¦\n    }\n    void h() {",
        "\n    }\n}\n",
    ),
    ("c", "int f(int a,\n      int b) {\n    ", "g();\n}¦\nint h() {", "\nint x;\n"),
    ("html", "<ul>\n<li>a</li>\n", "<li>b</li>\n<li>c</li>¦\n</ul>\n<p>d</p>\n", "\n</ul>\n"),
    ("html", "<ul>\n<li>a</li>\n", "<li>b</li>\n</ul>¦\n<p>d</p>\n", "\n<p>\n</p>\n"),
    ("html", "<ul>\n<li>a</li>", "\n<li>b</li>¦\n</ul>\n", "\n</ul>\n"),
    ("html", "<ul>\n<li>", "b</li>¦\n<li>c</li>\n</ul>\n", "\n</ul>\n"),
    ("html", "<ul>\n<li>", "b¦</li>\n<li>c</li>\n</ul>\n", "</li>\n</ul>\n"),
    ("html", "<ul>\n<li cl", 'ass="a">b<br>c</li>¦\n<li>d</li>\n</ul>\n', "\n</ul>\n"),
    ("html", "<div>\n<p>a\n", "<br>\n<img src='</div>'>\n<p>b¦\n</div>\n", "\n</div>\n"),
    ("html", "<div>\n", "<ul>\n<li>a</li>\n</ul>\n", "</div>\n"),
    ("tsx", "const a = (\n<ul>\n", "<li key={1}>b</li>\n<B c={() => 1} />¦\n</ul>\n);\n", "\n</ul>\n);\n"),
    ("tsx", "const a = (\n<ul>\n", "<li>b</li>\n</ul>¦\n);\n", "\n);\n"),
    ("tsx", "const a = <b>", "c</b>;¦\nfoo();\n", "\n"),
    ("tsx", "function f(a: Map<K, V>) {\n  ", "return a < 1 && b > 2;¦\n}\n", "\n}\n"),
    ("javascript", "const a = (\n<>\n", "<li>a</li>¦\n</>\n);\n", "\n</>\n);\n"),
    (None, "one ", "two¦\nthree\n", ""),
    (None, "", "one two\nthree¦\n\nfour\n", ""),
    (None, "head\n  ", "one\n\n  two¦\nthree\n", ""),
]


@pytest.mark.parametrize(("name", "prefix", "marked", "suffix"), EXAMPLES)
def test_scope_end(name, prefix, marked, suffix):
    completion = marked.replace("¦", "")
    expected = marked.index("¦") if "¦" in marked else None
    assert scope_end(prefix, completion, suffix, LANGUAGES[name] if name else None) == expected


@pytest.mark.parametrize(("name", "prefix", "marked", "suffix"), EXAMPLES)
def test_more_text_never_moves_an_end_already_found(name, prefix, marked, suffix):
    completion = marked.replace("¦", "")
    language = LANGUAGES[name] if name else None
    final = scope_end(prefix, completion, suffix, language)
    for length in range(len(completion)):
        assert scope_end(prefix, completion[:length], suffix, language) in (None, final)


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_scope_end_with_other_line_breaks(newline):
    completion = "y = g(x)\n    return y\n\n\ndef h():\n".replace("\n", newline)
    end = scope_end(f"def f(x):{newline}    ", completion, "", LANGUAGES["python"])
    assert end is not None and completion[:end].endswith("return y")


def test_scope_end_counts_characters():
    completion = 'é = "🙂"\n    return é\nnext()'
    end = scope_end("# ü\ndef f():\n    ", completion, "", LANGUAGES["python"])
    assert end is not None and completion[end:] == "\nnext()"


def test_statement_ends():
    completion = "y = g(x)\n    if y:\n        z()\n    return y\n\n\ndef h():\n    pass\n"
    ends = statement_ends("def f(x):\n    ", completion, "", LANGUAGES["python"])
    assert [completion[:end].rsplit("\n", 1)[-1].strip() for end in ends] == ["y = g(x)", "z()", "return y"]
    assert statement_ends("x = ", "1", "", LANGUAGES["python"]) == []


def test_statement_ends_in_braces_keep_brackets_closed():
    completion = "let b = a;\n  if (b) {\n    g();\n    h();\n  }\n  return b;\n}\n\nfunction h() {"
    ends = statement_ends("function f(a) {\n  ", completion, "\n}\n", LANGUAGES["javascript"])
    assert [completion[:end].rsplit("\n", 1)[-1].strip() for end in ends] == ["let b = a;", "}", "return b;"]


def test_is_broken():
    python = LANGUAGES["python"]
    assert is_broken("x = ", "(1", "\ny = 2\n", python)
    assert not is_broken("x = ", "(1)", "\ny = 2\n", python)
    assert is_broken("function f() {\n  ", "}}", "\n}\n", LANGUAGES["javascript"])
    assert not is_broken("def f(:\n  pass\n\nx = ", "1", "\n", python)
    assert not is_broken("anything", ")(", "", None)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_rest_of_a_sample_is_never_broken(name):
    text, body = SAMPLES[name].text, SAMPLES[name].body
    start = text.index(body)
    assert not is_broken(text[:start], body, text[start + len(body) :], LANGUAGES[name])


BRACED = (
    "java",
    "kotlin",
    "javascript",
    "typescript",
    "tsx",
    "go",
    "rust",
    "c",
    "cpp",
    "csharp",
    "php",
    "swift",
    "scala",
)


@pytest.mark.parametrize("name", [*BRACED, "python", "ruby", "bash", "lua", "css"])
def test_the_body_of_a_sample_is_the_scope_at_its_start(name):
    """The model writes the body and runs on; the scope ends where the body does, whether or not it is closed behind."""
    text, body = SAMPLES[name].text, SAMPLES[name].body
    start = text.index(body)
    rest = text[start:]
    suffix = rest[len(body) :]
    runs_on = body + suffix + "\nnext_thing\n"
    assert scope_end(text[:start], runs_on, suffix, LANGUAGES[name]) == len(body)


SCRAPS = [
    "\r\n",
    "\n",
    "\t",
    "  ",
    "def f(x):",
    "if a:",
    "{",
    "}",
    "(",
    ")",
    "foo",
    "'",
    '"',
    "#",
    "//",
    ";",
    "<a>",
    "</a>",
    "<b ",
    "é",
    "🙂",
]
MESS = st.lists(st.sampled_from(SCRAPS), max_size=25).map("".join)


@given(
    prefix=MESS,
    completion=MESS,
    suffix=MESS,
    name=st.sampled_from([None, "python", "javascript", "bash", "yaml", "html", "tsx"]),
)
def test_any_mess_gets_offsets_inside_the_completion(prefix, completion, suffix, name):
    language = LANGUAGES[name] if name else None
    end = scope_end(prefix, completion, suffix, language)
    assert end is None or 0 <= end <= len(completion)
    ends = statement_ends(prefix, completion, suffix, language)
    assert ends == sorted(set(ends))
    assert all(0 < point < len(completion) for point in ends)
    is_broken(prefix, completion, suffix, language)


def test_the_length_of_the_file_does_not_matter():
    before = "class A {\n    void f() {\n        " + "x = g(1);\n        " * 5_000
    completion = "return x;\n    }\n\n    void h() {"
    for name in ("java", "php"):
        tag = LANGUAGES[name].opening_tag
        assert scope_end(tag + before, completion, "\n    }\n}\n", LANGUAGES[name]) == len("return x;")


def test_a_long_string_before_the_caret_is_not_taken_for_code():
    """The prefix is cut at a line of code, although the lines of the string are no deeper than those of the class."""
    text = "    one\n" * 1_200
    prefix = f"class A {{\n    a = `\n{text}`;\n    f() {{\n        "
    completion = "return 1;\n    }\n\n    h() {"
    assert scope_end(prefix, completion, "\n}\n", LANGUAGES["javascript"]) == len("return 1;\n    }")


def test_scope_end_is_cheap_while_a_completion_streams():
    """Measured 0.4 ms a call; the limit leaves room for a busy machine."""
    prefix = SAMPLES["java"].text * 40 + "class A {\n    void f() {\n        "
    completion = "for (Item item : items) {\n            sum += item.price(discount, 2);\n        }\n        " * 3
    scope_end(prefix, completion[:1], "\n    }\n}\n", LANGUAGES["java"])
    started = time.perf_counter()
    for length in range(10, 110):
        scope_end(prefix, completion[:length], "\n    }\n}\n", LANGUAGES["java"])
    assert (time.perf_counter() - started) / 100 < 0.02
