"""Every language of the table, on a real sample: it parses, and what the table says about it is true of its grammar."""

import pytest
from syntax_samples import SAMPLES

from midspan.syntax.cuts import CutKind, end_points, outline, pieces, start_points
from midspan.syntax.languages import LANGUAGES, language_of
from midspan.syntax.parse import error_count, parse


def test_every_language_has_a_sample():
    assert set(SAMPLES) == set(LANGUAGES)


@pytest.mark.parametrize("name", LANGUAGES)
def test_node_types_exist_in_the_grammar(name):
    language = LANGUAGES[name]
    types = language.blocks | language.arguments | language.strings | language.comments | language.delimiters
    types |= language.unpaired
    unknown = {kind for kind in types if language.grammar.id_for_node_kind(kind, True) is None}
    assert not unknown


@pytest.mark.parametrize("name", LANGUAGES)
def test_sample_parses_and_every_kind_of_cut_is_found(name):
    source, language = SAMPLES[name].text.encode(), LANGUAGES[name]
    assert error_count(source, language) == 0
    document = outline(source, language)
    for kind in CutKind:
        assert start_points(document, kind), kind
        assert end_points(document, kind), kind


@pytest.mark.parametrize("name", LANGUAGES)
def test_marked_blocks_are_found_and_pieces_are_sensible(name):
    sample = SAMPLES[name]
    source, language = sample.text.encode(), LANGUAGES[name]
    document = outline(source, language)
    found = list(pieces(document))
    blocks = {source[piece.start : piece.end].decode() for piece in found if piece.unit == "block"}
    assert sample.blocks and blocks.issuperset(sample.blocks)
    for piece in found:
        content = source[piece.start : piece.end]
        assert content and content == content.strip()
    units = {piece.unit for piece in found}
    assert {"block", "statement", "line", "token"} <= units
    assert ("arguments" in units) == bool(language.arguments)


@pytest.mark.parametrize("name", LANGUAGES)
def test_carriage_returns_change_no_cut(name):
    text = SAMPLES[name].text
    document = outline(text.replace("\n", "\r\n").encode(), LANGUAGES[name])
    for kind in CutKind:
        for point in {*start_points(document, kind), *end_points(document, kind)}:
            assert document.source[point - 1 : point + 1] != b"\r\n"
    plain = outline(text.encode(), LANGUAGES[name])
    assert len(document.lines) == len(plain.lines)
    assert len(document.blocks) == len(plain.blocks)


@pytest.mark.parametrize("name", [name for name in LANGUAGES if LANGUAGES[name].strings])
def test_some_comments_and_strings_are_known(name):
    """The node types of comments and strings cover what the sample and a comment of the language hold."""
    language = LANGUAGES[name]
    if language.line_comment:
        comment = f"{language.line_comment} note\n"
        source = ("<?php\n" + comment if name == "php" else comment).encode()
    elif language.block_comment:
        source = f"{language.block_comment[0]} note {language.block_comment[1]}\n".encode()
    else:
        return
    root = parse(source, language).root_node
    kinds, stack = set(), [root]
    while stack:
        node = stack.pop()
        kinds.add(node.type)
        stack.extend(node.children)
    assert kinds & language.comments


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b.py", "python"),
        ("A.JAVA", "java"),
        ("x.tsx", "tsx"),
        ("x.ts", "typescript"),
        ("dir.py/Gemfile", "ruby"),
        ("x.h", "c"),
        ("x.hpp", "cpp"),
        ("README.md", "markdown"),
        ("a.b/readme", None),
        ("noextension", None),
        ("", None),
        ("x.unknown", None),
    ],
)
def test_language_of(path, name):
    language = language_of(path)
    assert (language.name if language else None) == name


def test_extensions_and_names_belong_to_one_language():
    names = [key for language in LANGUAGES.values() for key in (*language.extensions, *language.filenames)]
    assert len(names) == len(set(names))


def test_error_count_sees_errors_and_missing_nodes():
    assert error_count(b"x = (1\ny = 2\n", LANGUAGES["python"]) > 0
    assert error_count(b"void f() { return 1 }", LANGUAGES["c"]) == 1
    assert error_count(b"", LANGUAGES["python"]) == 0


def test_parse_again_from_an_edited_tree():
    language = LANGUAGES["python"]
    tree = parse(b"x = 1\n", language).copy()
    tree.edit(6, 6, 12, (1, 0), (1, 0), (2, 0))
    again = parse(b"x = 1\ny = 2\n", language, tree)
    assert [node.type for node in again.root_node.children] == ["expression_statement", "expression_statement"]
