"""Parsing with tree-sitter: bytes in, tree out, and how many errors the tree holds.

Parsing costs about 0.2 ms per kB the first time and much less with the tree of an earlier version of the same text.
Parsers are kept per thread because one must not be used by two threads at once.

A text in which somebody types is parsed from the tree of its beginning, which stays the same for STEP bytes and is
kept. Where a beginning ends is read off the text alone: so is the tree, then, and never depends on what was parsed
before.
"""

import threading
from functools import lru_cache

import tree_sitter

from midspan.syntax.languages import LANGUAGES, Language

STEP = 512
"""Bytes that may be typed on a kept tree."""
SMALL = 32_768
"""Bytes of a text whose tree is one of many to be kept; a tree takes some 20 times the memory of its text."""
UNENDING = frozenset({"kotlin"})
"""Languages whose scanner never comes back from a text that ends within an annotation (`val x\\n@A`)."""
_local = threading.local()


def parser(language: Language) -> tree_sitter.Parser:
    """This thread's parser of the language."""
    parsers: dict[str, tree_sitter.Parser] = _local.__dict__.setdefault("parsers", {})
    if language.name not in parsers:
        parsers[language.name] = tree_sitter.Parser(language.grammar)
    return parsers[language.name]


def parse(source: bytes, language: Language, old: tree_sitter.Tree | None = None) -> tree_sitter.Tree:
    """The tree of UTF-8 `source`. `old` is the tree of an earlier version, already edited to match `source`."""
    if language.name in UNENDING:
        source += b"\n"
    if old is None:
        return parser(language).parse(source)
    return parser(language).parse(source, old)


def parse_changed(
    tree: tree_sitter.Tree, source: bytes, language: Language, start: int, removed: int, added: bytes
) -> tree_sitter.Tree:
    """The tree of `source` with `added` in place of the `removed` bytes at `start`; `tree`, that of `source`, stays."""
    tree = tree.copy()
    behind = start + removed
    changed = source[:start] + added + source[behind:]
    tree.edit(
        start,
        behind,
        start + len(added),
        _point(source, start),
        _point(source, behind),
        _point(changed, start + len(added)),
    )
    return parse(changed, language, tree)


def parse_around(before: bytes, behind: bytes, language: Language) -> tree_sitter.Tree:
    """The tree of `before + behind`, quick where both are what they were the last time but for what was typed between.

    Up to STEP bytes of typing and the line they begin in are parsed onto a tree that is kept.
    """
    stays = before.rfind(b"\n", 0, len(before) // STEP * STEP) + 1
    beginning = before[:stays] + behind
    if not stays:
        return parse(before + behind, language)
    keep = _few_kept if len(beginning) > SMALL else _many_kept
    return parse_changed(keep(beginning, language.name), beginning, language, stays, 0, before[stays:])


@lru_cache(maxsize=256)
def _many_kept(text: bytes, name: str) -> tree_sitter.Tree:
    return parse(text, LANGUAGES[name])


@lru_cache(maxsize=8)
def _few_kept(text: bytes, name: str) -> tree_sitter.Tree:
    return parse(text, LANGUAGES[name])


def _point(text: bytes, offset: int) -> tuple[int, int]:
    return text.count(b"\n", 0, offset), offset - text.rfind(b"\n", 0, offset) - 1


def tree_error_count(tree: tree_sitter.Tree) -> int:
    """Number of ERROR and MISSING nodes. Only subtrees with an error are walked."""
    count = 0
    stack = [tree.root_node]
    while stack:
        node = stack.pop()
        if node.has_error:
            count += node.is_error or node.is_missing
            stack.extend(node.children)
    return count


def error_count(source: bytes, language: Language) -> int:
    """Number of ERROR and MISSING nodes in the tree of UTF-8 `source`."""
    return tree_error_count(parse(source, language))
