"""Where a document can be cut: its blocks, statements and argument lists, and cut points of four kinds.

All offsets are bytes into the UTF-8 text, always between two code points and never inside a line break. Two borders
meet at every cut, so a kind means one thing for the start of a middle and another for its end:

    kind             a middle starts                                a middle ends
    block boundary   at the first statement of a body, or right     after the last statement of the body
                     behind what opens the body
    line start       behind a line's indentation, where an          before a line break, so that the next line's
                     editor leaves the caret after Enter             start belongs to the suffix
    line middle      between two tokens of a line                    after a token that is not the line's last
    token middle     inside a word                                   inside a word

Blocks come from the grammar's tree: one query in C finds them (about 1 ms for 10 kB, parsing 2 ms more). Text without
a grammar is read by indentation: lines deeper than the line above them are its body, lines between blanks a paragraph.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from itertools import takewhile
from typing import NamedTuple

import tree_sitter

from midspan.syntax.languages import Language
from midspan.syntax.parse import parse

_LINE = re.compile(rb"\S[^\r\n]*")
_TOKEN = re.compile(rb"[\w\x80-\xff]+|[-=<>!&|+*/%^~?:.@$#]+|\S")
_WORD = re.compile(rb"[\w\x80-\xff]{2,}")
_ELSE = re.compile(rb"else\s*\Z")
_BOM = b"\xef\xbb\xbf"


class CutKind(StrEnum):
    """The four kinds of cut points (blueprint, stage 2)."""

    BLOCK_BOUNDARY = "block_boundary"
    LINE_START = "line_start"
    LINE_MIDDLE = "line_middle"
    TOKEN_MIDDLE = "token_middle"


@dataclass(frozen=True)
class Piece:
    """A meaningful piece of text: `unit` is block, statement, arguments, line or token."""

    start: int
    end: int
    unit: str


class Span(NamedTuple):
    """Bytes [start, end)."""

    start: int
    end: int


class Block(NamedTuple):
    """The content of a body, without what frames it, and its statements in order."""

    start: int
    end: int
    statements: tuple[Span, ...]


@dataclass(frozen=True)
class Outline:
    """What cuts need to know of one document: `blocks` by start (the root apart), `arguments` contents, `lines`.

    `lines` are the non-blank lines, each from its first to behind its last visible byte. `tree` is the one it was read
    off, None without a grammar.
    """

    source: bytes
    root: Block
    blocks: tuple[Block, ...]
    arguments: tuple[Span, ...]
    lines: tuple[Span, ...]
    tree: tree_sitter.Tree | None = field(default=None, compare=False)

    def line_at(self, offset: int) -> Span | None:
        """The non-blank line whose visible part holds `offset` (its end included)."""
        index = bisect_right(self.lines, offset, key=lambda line: line.start) - 1
        return self.lines[index] if index >= 0 and offset <= self.lines[index].end else None

    def block_behind(self, offset: int) -> Block | None:
        """The first block, and of several the longest, that starts at `offset` or behind it."""
        index = bisect_left(self.blocks, offset, key=lambda block: block.start)
        if index == len(self.blocks):
            return None
        start = self.blocks[index].start
        return max(takewhile(lambda block: block.start == start, self.blocks[index:]), key=lambda block: block.end)

    def enclosing(self, offset: int) -> Block:
        """The innermost block that `offset` is in, or the root."""
        inside = [block for block in self.blocks if block.start <= offset < block.end]
        return min(inside, key=lambda block: block.end - block.start, default=self.root)


def outline(source: bytes, language: Language | None) -> Outline:
    """Parse `source` and find what cuts need; by indentation if there is no grammar."""
    lines = tuple(_lines(source))
    if language is None:
        root, blocks = _indentation_blocks(source, lines)
        return Outline(source, root, blocks, (), lines)
    tree = parse(source, language)
    top = tree.root_node
    captures = tree_sitter.QueryCursor(_query(language)).captures(top)
    found = (_block(source, node, language) for node in captures.get("block", ()))
    branches = (_branch(source, node, language) for node in captures.get("branch", ()))
    blocks = tuple(sorted({block for block in (*found, *branches) if block is not None}))
    if not blocks:  # a list of imports, a table of constants: their paragraphs are all the structure there is
        blocks = _indentation_blocks(source, lines)[1]
    bracketed = (_content(source, node) for node in captures.get("arguments", ()))
    arguments = tuple(sorted(span for span in bracketed if span is not None))
    whole = Span(lines[0].start, lines[-1].end) if lines else Span(0, 0)
    spans = (_trim(source, node.start_byte, node.end_byte) for node in top.named_children)
    statements = tuple(span for span in spans if span.start < span.end)
    return Outline(source, Block(*whole, statements), blocks, arguments, lines, tree)


def pieces(outline: Outline) -> Iterator[Piece]:
    """Every meaningful piece: whole blocks, single statements, argument lists, lines and words."""
    for block in outline.blocks:
        yield Piece(block.start, block.end, "block")
    for block in (outline.root, *outline.blocks):
        yield from (Piece(*statement, "statement") for statement in block.statements)
    yield from (Piece(*span, "arguments") for span in outline.arguments)
    yield from (Piece(*line, "line") for line in outline.lines)
    words = (word for line in outline.lines for word in _WORD.finditer(outline.source, *line))
    yield from (Piece(*word.span(), "token") for word in words)


def start_points(outline: Outline, kind: CutKind) -> list[int]:
    """Offsets where a middle may start, by kind (see the table above)."""
    if kind is CutKind.BLOCK_BOUNDARY:
        return sorted({point for block in outline.blocks for point in (opening(outline, block), block.start)})
    if kind is CutKind.LINE_START:
        return [line.start for line in outline.lines]
    return _inside_lines(outline, kind, ends=False)


def end_points(outline: Outline, kind: CutKind) -> list[int]:
    """Offsets where a middle may end, by kind (see the table above)."""
    if kind is CutKind.BLOCK_BOUNDARY:
        return sorted({block.end for block in (outline.root, *outline.blocks)})
    if kind is CutKind.LINE_START:
        return [line.end for line in outline.lines]
    return _inside_lines(outline, kind, ends=True)


def opening(outline: Outline, block: Block) -> int:
    """The offset right behind what opens `block`, such as a colon or a brace; the block's start if nothing does."""
    before = outline.source[max(0, block.start - 1_000) : block.start]
    visible = before.rstrip()
    return block.start - (len(before) - len(visible)) if visible else block.start


def token_borders(source: bytes, span: Span, ends: bool) -> list[int]:
    """Offsets strictly inside `span` that lie at a token's end, or with `ends=False` at either border of a token."""
    points = set()
    for token in _TOKEN.finditer(source, *span):
        points.add(token.end())
        if not ends:
            points.add(token.start())
    return sorted(points - {span.start, span.end})


def word_interiors(source: bytes, span: Span) -> list[int]:
    """Offsets within `span` that lie inside a word, between two of its code points."""
    words = (range(word.start() + 1, word.end()) for word in _WORD.finditer(source, *span))
    return [point for word in words for point in word if on_code_point(source, point)]


def on_code_point(source: bytes, offset: int) -> bool:
    """Whether no code point is cut at `offset`."""
    return offset >= len(source) or source[offset] & 0xC0 != 0x80


def _inside_lines(outline: Outline, kind: CutKind, ends: bool) -> list[int]:
    if kind is CutKind.TOKEN_MIDDLE:
        return [point for line in outline.lines for point in word_interiors(outline.source, line)]
    return [point for line in outline.lines for point in token_borders(outline.source, line, ends)]


def _lines(source: bytes) -> Iterator[Span]:
    for match in _LINE.finditer(source, len(_BOM) if source.startswith(_BOM) else 0):
        yield Span(match.start(), match.start() + len(match.group().rstrip()))


@cache
def _query(language: Language) -> tree_sitter.Query:
    text = "".join(f"({kind}) @block\n" for kind in sorted(language.blocks))
    text += "".join(f"({kind}) @arguments\n" for kind in sorted(language.arguments))
    for branch in sorted(language.branches):
        kind, before = branch.split("/")
        is_field = language.grammar.field_id_for_name(before) is not None
        text += f"({kind} {before}: (_) @branch)\n" if is_field else f'({kind} "{before}" . (_) @branch)\n'
    return tree_sitter.Query(language.grammar, text)


def _trim(source: bytes, start: int, end: int) -> Span:
    text = source[start:end]
    return Span(end - len(text.lstrip()), start + len(text.rstrip()))


def _block(source: bytes, node: tree_sitter.Node, language: Language) -> Block | None:
    children = [child for child in node.named_children if child.type not in language.delimiters]
    if language.openers:
        openings = [child.end_byte for child in node.children if child.type in language.openers]
        children = [child for child in children if not openings or child.start_byte >= openings[0]]
    if not children:
        return None
    spans = [_trim(source, child.start_byte, child.end_byte) for child in children]
    statements = tuple(span for span in spans if span.start < span.end)
    return Block(statements[0].start, statements[-1].end, statements) if statements else None


def _branch(source: bytes, node: tree_sitter.Node, language: Language) -> Block | None:
    """A body that is a single statement; neither a block, which is found as such, nor the `if` of an `else if`."""
    if node.type in language.blocks or node.type in language.comments:
        return None
    if node.type.startswith("if_") and _ELSE.search(source, max(0, node.start_byte - 100), node.start_byte):
        return None
    span = _trim(source, node.start_byte, node.end_byte)
    return Block(*span, (span,)) if source[slice(*span)] not in (b"", b";") else None


def _content(source: bytes, node: tree_sitter.Node) -> Span | None:
    """What stands between the brackets of an argument list (which some languages leave out)."""
    start, end = node.start_byte, node.end_byte
    if source[start : start + 1] in b"([{" and source[end - 1 : end] in b")]}":
        start, end = start + 1, end - 1
    span = _trim(source, start, end) if start < end else Span(start, start)
    return span if span.start < span.end else None


def _indentation_blocks(source: bytes, lines: tuple[Span, ...]) -> tuple[Block, tuple[Block, ...]]:
    """Blocks of text without grammar: runs of lines deeper than the line above, and paragraphs.

    One pass with a stack of open blocks: linear in the number of lines.
    """
    blocks: list[Block] = []
    root: list[Span] = []
    paragraph: list[Span] = []
    stack: list[tuple[int, list[Span]]] = [(-1, root)]

    def close(statements: list[Span]) -> None:
        if statements is not root:
            blocks.append(Block(statements[0].start, statements[-1].end, tuple(statements)))

    for number, line in enumerate(lines):
        gap = source[lines[number - 1].end if number else 0 : line.start]
        depth = len(gap) - max(gap.rfind(b"\n"), gap.rfind(b"\r")) - 1
        if number == 0:
            stack[0] = (depth, root)
        while len(stack) > 1 and depth < stack[-1][0]:
            close(stack.pop()[1])
        if depth > stack[-1][0] and stack[-1][1]:
            stack.append((depth, []))
        stack[-1][1].append(line)
        for _, outer in stack[:-1]:
            outer[-1] = Span(outer[-1].start, line.end)
        if gap.replace(b"\r\n", b"\n").count(b"\n") > 1 and paragraph:
            blocks.append(Block(paragraph[0].start, paragraph[-1].end, tuple(paragraph)))
            paragraph = []
        paragraph.append(line)
    for _, statements in stack[1:]:
        close(statements)
    if paragraph:
        blocks.append(Block(paragraph[0].start, paragraph[-1].end, tuple(paragraph)))
    whole = Span(lines[0].start, lines[-1].end) if lines else Span(0, 0)
    return Block(*whole, tuple(root)), tuple(sorted(set(blocks)))
