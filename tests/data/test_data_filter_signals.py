"""Each group of signals against a naive definition, and the lexer against tree-sitter's trees."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.context import ignore
from midspan.data.filters.characters import characters
from midspan.data.filters.lexer import lex
from midspan.data.filters.lines import lines
from midspan.data.filters.origin import is_vendored, origin
from midspan.data.filters.repetition import repetitions
from midspan.data.filters.signals import signals
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import parse

SAMPLES = Path(__file__).parents[1] / "syntax" / "samples"
WORDS = st.lists(st.sampled_from(["a", "b", "A", "ab", "é", "Ж", "1", "_", " ", " ", "\n"]), max_size=120).map("".join)


def part(some, whole):
    return round(some / whole, 6) if whole else 0.0


@given(st.text(max_size=200))
def test_characters(text):
    found = characters(text, text.encode())
    visible = sum(not character.isspace() for character in text)
    letters = sum(map(str.isalpha, text))
    encoded = [
        len(match.group())
        for match in re.finditer(
            r"[a-zA-Z0-9+/\n=]{64,}|(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}|(?:\\u[0-9a-fA-F]{4}){8,}",
            text,
            re.ASCII,
        )
    ]
    assert found.characters == len(text)
    assert found.alphabetic_share == part(letters, len(text))
    assert found.visible_alphabetic_share == part(letters, visible)
    assert found.alphanumeric_share == part(sum(map(str.isalnum, text)), len(text))
    assert found.visible_digit_share == part(sum(map(str.isdigit, text)), visible)
    assert found.whitespace_share == part(len(text) - visible, len(text))
    assert found.replacement_share == part(text.count("\ufffd"), len(text))
    assert found.encoded_share == part(sum(encoded), len(text))


@given(st.text(max_size=200))
def test_lines(text):
    lengths = [len(line) for line in text.splitlines()]
    found = lines(text)
    assert (found.lines, found.max_line_length) == (len(lengths), max(lengths, default=0))
    assert found.mean_line_length == pytest.approx(sum(lengths) / max(1, len(lengths)), abs=1e-4)


@given(WORDS)
def test_repetition(text):
    words = [
        "".join(character.lower() if character.isascii() else character for character in word)
        for word in re.findall(r"[A-Za-z0-9\x80-\U0010ffff]+", text)
    ]
    total = sum(map(len, words))
    (found,) = repetitions([text.encode()])
    assert found.words == len(words)
    assert found.unique_word_share == part(len(set(words)), len(words))
    for size in (2, 3, 4, 5, 6, 10):
        runs = [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]
        counts = Counter(runs)
        if size < 5:
            (top, times), *_ = counts.most_common(1) or [((), 0)]
            expected = min(1.0, part(times * sum(map(len, top)), total)) if times > 1 else 0.0
            assert getattr(found, f"top_{size}gram_share") == expected
        else:
            covered = {start + offset for start, run in enumerate(runs) if counts[run] > 1 for offset in range(size)}
            expected = part(sum(len(words[place]) for place in covered), total)
            assert getattr(found, f"duplicate_{size}gram_share") == expected


@given(st.text(alphabet="ab\"'`/*#-\\\n (){}<!>", max_size=120), st.sampled_from([*sorted(LANGUAGES), "unknown"]))
def test_code_and_comments_are_the_whole_text(text, language):
    code, comments, strings = lex(text, language)
    assert len(code) + sum(map(len, comments)) == len(text)
    assert all(string in code for string in strings)


@pytest.mark.parametrize("name", sorted({*LANGUAGES} - {"markdown", "html"}))
def test_comments_and_strings_are_those_of_the_grammar(name):
    language = LANGUAGES[name]
    text = (SAMPLES / f"{name}.txt").read_text(encoding="utf-8")
    text = Path(ignore.__file__).read_text(encoding="utf-8") if name == "python" else text
    comments = strings = 0
    stack = [parse(text.encode(), language).root_node]
    while stack:
        node = stack.pop()
        if node.type in language.comments or _is_docstring(node, name):
            comments += node.end_byte - node.start_byte
        elif node.type in language.strings:
            strings += node.end_byte - node.start_byte
        else:
            stack.extend(node.children)
    found = lex(text, name)
    size = len(text.encode())
    assert sum(map(len, found.comments)) / size == pytest.approx(comments / size, abs=0.02)
    assert sum(map(len, found.strings)) / size == pytest.approx(strings / size, abs=0.05)


def _is_docstring(node, name):
    return name == "python" and node.type == "expression_statement" and node.children[0].type == "string"


@pytest.mark.parametrize(
    ("path", "text", "language", "expected"),
    [
        ("a/b.min.js", "x", "javascript", "name b.min.js"),
        ("a/user_pb2.py", "x", "python", "name user_pb2.py"),
        ("api/user.pb.go", "x", "go", "name user.pb.go"),
        ("package-lock.json", "{}", "json", "name package-lock.json"),
        ("web/node_modules/a/b.js", "x", "javascript", "name b.js"),
        ("a.c", "/* Generated by Cython 3.0 */\nint x;\n", "c", "mark Generated by Cython"),
        ("a.go", "// Package a\n" * 9 + "// Code generated by tool\n", "go", "mark Code generated by"),
        ("a.py", "# This file is generated\n", "python", "mark This file is generated"),
        ("a.js", "x = 1;" * 40 + "\n", "javascript", "minified"),
        ("a.css", "a { b: c }\n" * 9 + "/*# sourceMappingURL=a.css.map */\n", "css", "source map reference"),
        ("a.map.json", '{"version":3,"sources":[]}', "json", "source map"),
        ("a.yml", "http: {}\n\nrecorded_with: VCR 6.0\n", "yaml", "recorded by VCR"),
        ("a.py", "def generate(self):\n    return autogenerate(1)\n", "python", ""),
        ("package/lock.json", "{}", "json", ""),
    ],
)
def test_generated_code_is_told_by_name_and_marks(path, text, language, expected):
    assert origin(text, path, language, lines(text).mean_line_length).generated == expected


def test_vendored_trees_and_fixtures_are_told_by_their_paths():
    assert is_vendored("a/_vendor/b.py") and is_vendored("third_party_libs/a.c") and is_vendored("static/jquery-3.js")
    assert not is_vendored("a/vendor.py") and not is_vendored("a/external_api.py")
    fixtures = (
        "tests/fixtures/a.py",
        "a/testdata/b.go",
        "src/__fixtures__/a.js",
        "tests/unit/data/a.json",
        "__snapshots__/a.ts",
    )
    assert all(origin("x", path, "python", 1).fixture for path in fixtures)
    assert not any(origin("x", path, "python", 1).fixture for path in ("tests/test_a.py", "a/data/b.py"))


@pytest.mark.parametrize("text", ['"""' * 4_000, "/*" * 6_000, "'" * 12_000, "1.2.3." * 2_000, "<" * 12_000])
@pytest.mark.parametrize("language", ["python", "javascript", "html", "rust"])
def test_no_text_is_slow(text, language):
    signals(text, "a", language)
