"""Cut points and pieces: their meaning on small texts, their safety on arbitrary ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.syntax.cuts import CutKind, Span, end_points, outline, pieces, start_points, token_borders, word_interiors
from midspan.syntax.languages import LANGUAGES

PYTHON = LANGUAGES["python"]
SOURCE = b"def f(x):\n    y = g(x, 1)\n    return y\n"
SCRAPS = [
    "\r\n",
    "\n",
    "\r",
    "\t",
    "    ",
    "def f(x):",
    "if a:",
    "{",
    "}",
    "(a, b)",
    "é",
    "e\u0301",
    "🙂",
    "\ufeff",
    "x",
]


def texts():
    scraps = st.lists(st.sampled_from(SCRAPS), max_size=30).map("".join)
    return st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), scraps)


def shown(source, points):
    return [source[:point].decode().rsplit("\n", 1)[-1] + "|" for point in points]


def test_block_boundaries():
    document = outline(SOURCE, PYTHON)
    assert shown(SOURCE, start_points(document, CutKind.BLOCK_BOUNDARY)) == ["def f(x):|", "    |"]
    assert shown(SOURCE, end_points(document, CutKind.BLOCK_BOUNDARY)) == ["    return y|"]


def test_line_starts_are_behind_the_indentation_and_line_ends_before_the_break():
    document = outline(SOURCE, PYTHON)
    assert shown(SOURCE, start_points(document, CutKind.LINE_START)) == ["|", "    |", "    |"]
    assert shown(SOURCE, end_points(document, CutKind.LINE_START))[1:] == ["    y = g(x, 1)|", "    return y|"]


def test_line_middles_are_token_borders():
    line = Span(0, 8)
    assert token_borders(b"y == f(x)", Span(0, 9), ends=True) == [1, 4, 6, 7, 8]
    assert token_borders(b"y == f()", line, ends=False) == [1, 2, 4, 5, 6, 7]


def test_token_middles_are_inside_words():
    assert word_interiors(b"ab + xyz", Span(0, 8)) == [1, 6, 7]
    assert word_interiors("né".encode(), Span(0, 3)) == [1]


def test_arguments_are_without_their_brackets():
    document = outline(SOURCE, PYTHON)
    assert [SOURCE[slice(*span)] for span in document.arguments] == [b"x", b"x, 1"]


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("c", "void f() { if (x) return 1; else if (y) a(); else b(); while (c()); }", ["return 1;", "a();", "b();"]),
        ("java", "class A { int f() { for (int i : x) if (i) return i; } }", ["if (i) return i;", "return i;"]),
        ("javascript", "if (a) { b(); } else c();\nf((x) => x + 1);\n", ["b();", "c();", "x + 1"]),
        ("csharp", "class A { int B => 1; void F() { lock (x) y(); } }", ["1", "y();"]),
        ("php", "<?php if ($a) b(); elseif ($c) d(); else e();", ["b();", "d();", "e();"]),
        ("kotlin", "fun f() = when (x) { 1 -> a()\n else -> b() }\n", ["a()", "b()"]),
        ("scala", "object A { def f = if (x) y else z }", ["y", "z"]),
        ("rust", "fn f() { match x { 1 => a(), _ => { b() } } }", ["a()", "b()"]),
        ("bash", "if a; then\n  b\n  c\nelif d; then\n  e\nelse\n  f\nfi\n", ["b\n  c", "e", "f"]),
        ("bash", "case x in\n  a | b) y; z ;;\nesac\n", ["y; z"]),
        ("ruby", "if a\n  b\nelse\n  c\nend\n", ["b", "c"]),
    ],
)
def test_bodies_without_braces_are_blocks(name, code, expected):
    source = code.encode()
    blocks = [source[block.start : block.end].decode() for block in outline(source, LANGUAGES[name]).blocks]
    assert [block for block in blocks if block in expected] == expected
    assert not [block for block in blocks if block == ";" or block.startswith("if (y)")]


def test_enclosing_block():
    document = outline(SOURCE, PYTHON)
    assert document.enclosing(SOURCE.index(b"return")) == document.blocks[0]
    assert document.enclosing(0) == document.root


def test_text_without_grammar_is_cut_by_indentation():
    source = b"one\n  two\n    three\n  four\n\nfive\nsix\n"
    blocks = {source[block.start : block.end] for block in outline(source, None).blocks}
    assert b"two\n    three\n  four" in blocks
    assert b"three" in blocks
    assert b"five\nsix" in blocks


@pytest.mark.parametrize(
    "language",
    [None, PYTHON, LANGUAGES["javascript"], LANGUAGES["yaml"]],
    ids=lambda language: language.name if language else "none",
)
def test_empty_texts_have_no_cut(language):
    for source in (b"", b"\n\n", b"  \t\r\n", b"\xef\xbb\xbf"):
        document = outline(source, language)
        assert not document.lines
        assert not list(pieces(document))


@pytest.mark.parametrize("name", [None, "python", "java", "javascript", "bash", "markdown", "yaml", "html", "php"])
@given(text=texts())
def test_cuts_respect_code_points_and_line_breaks(name, text):
    source = text.encode()
    document = outline(source, LANGUAGES[name] if name else None)
    points = {point for kind in CutKind for point in (*start_points(document, kind), *end_points(document, kind))}
    points |= {point for piece in pieces(document) for point in (piece.start, piece.end)}
    for point in points:
        source[:point].decode()
        source[point:].decode()
        assert source[point - 1 : point + 1] != b"\r\n"
    for block in (document.root, *document.blocks):
        for first, second in zip(block.statements, block.statements[1:], strict=False):
            assert first.start < first.end
            assert first.start <= second.start
