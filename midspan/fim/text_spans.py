"""Where a document holds text instead of code: its strings and comments.

A cut inside a string or a comment follows other rules than one in code: no statement ends there, and a bracket means
nothing. Cost: one query over the tree that the outline was read off; callers ask only when a cut needs to know.
"""

from bisect import bisect_left
from functools import cache

import tree_sitter

from midspan.syntax.cuts import Outline, Span
from midspan.syntax.languages import Language


class TextSpans:
    """The strings and comments of one document, outermost ones only, in order."""

    def __init__(self, document: Outline, language: Language | None) -> None:
        self.source = document.source
        self.spans = _outermost(document.tree, language) if document.tree and language else []

    def around(self, offset: int) -> Span | None:
        """The string or comment that `offset` lies strictly inside."""
        index = bisect_left(self.spans, offset, key=lambda span: span.start) - 1
        return self.spans[index] if index >= 0 and offset < self.spans[index].end else None

    def is_quoted_on_one_line(self, span: Span) -> bool:
        """Whether `span`, one of ours, is a string without a line break rather than a comment."""
        text = self.source[span.start : span.end]
        return text[-1:] in b"\"'`" and b"\n" not in text and b"\r" not in text


def _outermost(tree: tree_sitter.Tree, language: Language) -> list[Span]:
    nodes = tree_sitter.QueryCursor(_query(language)).captures(tree.root_node).get("text", ())
    spans: list[Span] = []
    found = (Span(node.start_byte, node.end_byte) for node in nodes)
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if span.start < span.end and (not spans or span.start >= spans[-1].end):
            spans.append(span)
    return spans


@cache
def _query(language: Language) -> tree_sitter.Query:
    kinds = sorted(language.strings | language.comments)
    return tree_sitter.Query(language.grammar, "".join(f"({kind}) @text\n" for kind in kinds))
