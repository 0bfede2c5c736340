"""Brackets and opaque spans (strings, comments) of a text, read off the leaves of its tree.

The tokens of a tree are right even where its structure is not: half-typed code derails the parser, seldom its lexer.
Only the part of the tree behind an offset is walked. A text that grows at its end, as a stream of generated code does,
is parsed again from the tree of its beginning, which costs a tenth of parsing it afresh.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import tree_sitter

from midspan.syntax.languages import LANGUAGES, Language
from midspan.syntax.parse import parse_around, parse_changed

OPENERS = {"(": ")", "[": "]", "{": "}"}
CLOSERS = frozenset(OPENERS.values())

_QUOTES = frozenset({"'", '"', "`", "'''", '"""', "string_start"})
LONG_QUOTES = (b"`", b"'''", b'"""')
"""Quotes of strings that may hold line breaks."""
_LINE_BREAK = re.compile(rb"[\r\n]")
ASKED_TOGETHER = 512
"""Carets of which what is read is kept: as many completions may be in work, each asking several times."""


@dataclass(frozen=True)
class Tokens:
    """Brackets as (byte offset, character), and the byte spans of strings and comments, both in order."""

    brackets: tuple[tuple[int, str], ...]
    opaque: tuple[tuple[int, int], ...]

    def hides(self, offset: int) -> bool:
        """Whether `offset` lies inside a string or a comment."""
        return any(start < offset < end for start, end in self.opaque)


@lru_cache(maxsize=ASKED_TOGETHER)
def _tree(text: bytes, name: str) -> tree_sitter.Tree:
    return parse_around(text, b"", LANGUAGES[name])


@lru_cache(maxsize=ASKED_TOGETHER)
def tokens_behind(beginning: bytes, added: bytes, language: Language) -> Tokens:
    """Tokens of `beginning + added` that reach behind `beginning`."""
    tree = _tree(beginning, language.name)
    if added:
        tree = parse_changed(tree, beginning, language, len(beginning), 0, added)
    return _tokens(tree, beginning + added, language, len(beginning))


@lru_cache(maxsize=ASKED_TOGETHER)
def open_brackets(text: bytes, name: str, window: int = 4_000) -> tuple[tuple[int, str], ...]:
    """The brackets, outermost first, open at the end of `text`; any before its last `window` bytes stay unknown.

    `name` is the language's.
    """
    tree = _tree(text, name)
    stack: list[tuple[int, str]] = []
    for offset, bracket in _tokens(tree, text, LANGUAGES[name], max(0, len(text) - window)).brackets:
        if bracket in OPENERS:
            stack.append((offset, bracket))
        else:  # a bracket that was never closed gives way to one further out
            matching = [index for index, (_, opener) in enumerate(stack) if OPENERS[opener] == bracket]
            del stack[matching[-1] if matching else len(stack) :]
    return tuple(stack)


@lru_cache(maxsize=256)
def first_unmatched_closer(text: bytes, name: str) -> int | None:
    """The offset of the first bracket in `text` that closes one opened before it; `name` is the language's."""
    language = LANGUAGES[name]
    tag = language.opening_tag.encode()
    for size in (1_000, len(text)):  # it is seldom far away
        source = tag + text[:size]
        depth = 0
        for offset, bracket in _tokens(_tree(source, name), source, language, len(tag)).brackets:
            depth += 1 if bracket in OPENERS else -1
            if depth < 0:
                return offset - len(tag)
        if size >= len(text):
            break
    return None


def _tokens(tree: tree_sitter.Tree, text: bytes, language: Language, after: int) -> Tokens:
    """Walk the leaves that end behind `after`. A string that is not closed hides what follows its opening quote."""
    brackets: list[tuple[int, str]] = []
    opaque: list[tuple[int, int]] = []
    hidden = language.strings | language.comments
    cursor = tree.walk()
    while True:
        node = cursor.node
        assert node is not None
        if node.end_byte > after and not node.is_missing:
            if node.type in hidden:
                opaque.append((node.start_byte, node.end_byte))
            elif cursor.goto_first_child_for_byte(after) is not None:
                continue
            elif _is_open_quote(node):
                quote = text[node.start_byte : node.end_byte]
                line_break = _LINE_BREAK.search(text, node.end_byte)
                line_end = line_break.start() if line_break else len(text) + 1
                opaque.append((node.start_byte, len(text) + 1 if quote.endswith(LONG_QUOTES) else line_end))
            elif not node.is_named and node.start_byte >= after and not _unpaired(node, language):
                brackets.extend(
                    (node.start_byte + index, character)
                    for index, character in enumerate(node.type)
                    if (character in OPENERS or character in CLOSERS) and not _hidden(opaque, node.start_byte)
                )
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return Tokens(tuple(brackets), tuple(opaque))


def _is_open_quote(node: tree_sitter.Node) -> bool:
    return node.type in _QUOTES and node.parent is not None and node.parent.is_error


def _unpaired(node: tree_sitter.Node, language: Language) -> bool:
    return bool(language.unpaired) and node.parent is not None and node.parent.type in language.unpaired


def _hidden(opaque: list[tuple[int, int]], offset: int) -> bool:
    return bool(opaque) and offset < opaque[-1][1]
