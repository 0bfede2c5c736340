"""Cutting a document so that the middle is a meaningful piece (blueprint, stage 2).

The kinds of both cut points are drawn first, each by its own weights. Then a start of the drawn kind is drawn from the
document, and an end of the drawn kind is sought where a developer's thought would end, seen from there:

    block boundary   the end of the block the start is in
    line start       the end of the line, or of one or more statements
    line middle      the end of the argument list, or a token border in what "line start" would have taken
    token middle     inside a word of what "line start" would have taken

A start without such an end in reach is drawn again, and only when the document has none for these two kinds are the
kinds drawn again: hence the kinds come out as weighted wherever documents allow it. Cost: one parse and one query,
then a few microseconds per attempt; together about 2.5 ms for 10 kB of Python.
"""

import random
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from itertools import takewhile

from midspan.errors import MidspanError
from midspan.fim.split import Split
from midspan.recipe.schema import CutWeights, FimConfig
from midspan.syntax.cuts import (
    CutKind,
    Outline,
    Span,
    on_code_point,
    opening,
    outline,
    token_borders,
    word_interiors,
)
from midspan.syntax.languages import Language

PAIR_DRAWS = 6
"""Draws of the two kinds before a document is given up."""
START_DRAWS = 24
"""Draws of a start for one pair of kinds."""
OPENING_SHARE = 0.2
"""Share of block starts right behind the colon or brace, with the line break still to be written."""
REST_OF_LINE_SHARE = 0.6
"""Share of ends at the end of the caret's own line, when the caret is inside it; at its start, half of that."""
ARGUMENTS_SHARE = 0.6
"""Share of line-middle ends at the end of an argument list, where there is one around or behind the start."""
WORD_SHARE = 0.3
"""Share of line-middle ends that complete just the word, when the start is inside one."""
ONE_MORE_STATEMENT = 0.4
"""Chance that a run of statements takes in the next one."""
MAX_LINE = 1_000
"""Bytes of a line that are looked at for cut points; of a longer one a part is drawn."""

MAX_WORD = 100
"""Bytes within which the end of a word is looked for."""

End = tuple[int, str]
"""Where a middle ends, and the unit whose end that is."""


def syntax_split(text: str, language: Language | None, rng: random.Random, config: FimConfig) -> Split | None:
    """Cut a meaningful middle of 1 to `config.max_middle_chars` characters out of `text`; None if nothing fits.

    The result is a function of the arguments and the state of `rng`. Text without grammar is cut by indentation.
    """
    start_weights, end_weights = _weights(config.start, "start"), _weights(config.end, "end")
    source = text.encode()
    document = outline(source, language)
    if not document.lines:
        return None
    cutter = _Cutter(document, rng, config.max_middle_chars)
    for _ in range(PAIR_DRAWS):
        start_kind = rng.choices(tuple(CutKind), start_weights)[0]
        end_kind = rng.choices(tuple(CutKind), end_weights)[0]
        for _ in range(START_DRAWS):
            found = cutter.cut(start_kind, end_kind)
            if found:
                start, end, unit = found
                prefix, middle, suffix = (part.decode() for part in (source[:start], source[start:end], source[end:]))
                return Split(prefix, middle, suffix, start_kind.value, end_kind.value, unit)
    return None


def _weights(weights: CutWeights, name: str) -> tuple[float, ...]:
    values = tuple(float(getattr(weights, kind)) for kind in CutKind)
    if not any(values):
        raise MidspanError(f"all weights in [fim.{name}] are zero", "give at least one kind of cut a weight above zero")
    return values


class _Cutter:
    """Draws cut points of one document."""

    def __init__(self, document: Outline, rng: random.Random, max_chars: int) -> None:
        self.document, self.rng, self.max_chars = document, rng, max_chars
        self.ascii = document.source.isascii()

    def cut(self, start_kind: CutKind, end_kind: CutKind) -> tuple[int, int, str] | None:
        """One attempt at (start, end, unit)."""
        start = self.start(start_kind)
        if start is None:
            return None
        end: End | None
        match end_kind:
            case CutKind.BLOCK_BOUNDARY:
                end = self.block_end(start)
            case CutKind.LINE_START:
                end = self.line_end(start)
            case CutKind.LINE_MIDDLE:
                end = self.middle_of_line(start, in_word=start_kind is CutKind.TOKEN_MIDDLE)
            case CutKind.TOKEN_MIDDLE:
                end = self.moved(start, word_interiors)
        if end is None or not start < end[0] <= self.reach(start):
            return None
        return start, *end

    def reach(self, start: int) -> int:
        """The last offset that keeps the middle within its length."""
        if self.ascii:
            return start + self.max_chars
        following = self.document.source[start : start + 4 * self.max_chars].decode(errors="ignore")
        return start + len(following[: self.max_chars].encode())

    def start(self, kind: CutKind) -> int | None:
        """A start of the kind, drawn over blocks or over lines."""
        document, rng = self.document, self.rng
        if kind is CutKind.BLOCK_BOUNDARY:
            if not document.blocks:
                return None
            block = rng.choice(document.blocks)
            return opening(document, block) if rng.random() < OPENING_SHARE else block.start
        line = rng.choice(document.lines)
        if kind is CutKind.LINE_START:
            return line.start
        part = self.part(line)
        points = (
            token_borders(document.source, part, ends=False)
            if kind is CutKind.LINE_MIDDLE
            else word_interiors(document.source, part)
        )
        return rng.choice(points) if points else None

    def part(self, line: Span) -> Span:
        """The line, or of a very long one a part drawn at random."""
        if line.end - line.start <= MAX_LINE:
            return line
        start = self.rng.randrange(line.start, line.end - MAX_LINE)
        end = start + MAX_LINE
        while not on_code_point(self.document.source, start):
            start += 1
        while not on_code_point(self.document.source, end):
            end -= 1
        return Span(start, end)

    def block_end(self, start: int) -> End:
        """The end of the block the start is in, or right behind whose opening it is."""
        behind = self.document.block_behind(start)
        if behind and start == opening(self.document, behind):
            return behind.end, "block"
        return self.document.enclosing(start).end, "block"

    def line_end(self, start: int) -> End | None:
        """The end of the caret's line, or of a run of statements from the caret on."""
        line = self.document.line_at(start)
        if line and start < line.end:
            share = REST_OF_LINE_SHARE if start > line.start else REST_OF_LINE_SHARE / 2
            if self.rng.random() < share:
                return line.end, "line"
        block = self.document.enclosing(start)
        reach = min(self.reach(start), self.line_of(block.end))
        ends = (self.line_of(statement.end) for statement in block.statements if statement.end > start)
        within = list(takewhile(lambda end: end <= reach, ends))
        if not within:
            return (line.end, "line") if line else None
        chances = [ONE_MORE_STATEMENT**more for more in range(len(within))]
        return self.rng.choices(within, chances)[0], "statement"

    def line_of(self, end: int) -> int:
        """A statement's end carried on to the end of its line, past a semicolon or a comment."""
        line = self.document.line_at(end)
        return line.end if line else end

    def middle_of_line(self, start: int, in_word: bool) -> End | None:
        """The end of the word the start is in, of an argument list, or a token border further on."""
        line = self.document.line_at(start)
        if in_word and line and self.rng.random() < WORD_SHARE:
            rest = token_borders(self.document.source, Span(start, min(line.end, start + MAX_WORD)), ends=True)
            if rest:
                return rest[0], "token"
        end = self.arguments_end(start) if self.rng.random() < ARGUMENTS_SHARE else None
        return (end, "arguments") if end else self.moved(start, partial(token_borders, ends=True))

    def arguments_end(self, start: int) -> int | None:
        """The end of the innermost argument list around `start`; else of one in the last line `line_end` would take."""
        around = [span for span in self.document.arguments if span.start <= start < span.end]
        if around:
            return self.inside_line(min(around, key=lambda span: span.end - span.start).end)
        found = self.line_end(start)
        line = found and self.document.line_at(found[0])
        if not line:
            return None
        first = bisect_right(self.document.arguments, max(start, line.start), key=lambda span: span.start)
        behind = takewhile(lambda span: span.start < line.end, self.document.arguments[first:])
        ends = [end for end in (self.inside_line(span.end) for span in behind) if end]
        return self.rng.choice(ends) if ends else None

    def inside_line(self, end: int) -> int | None:
        """`end` if more of its line follows."""
        line = self.document.line_at(end)
        return end if line and line.start < end < line.end else None

    def moved(self, start: int, points: Callable[[bytes, Span], list[int]]) -> End | None:
        """The end `line_end` would take, moved back to one of the points of its last line."""
        found = self.line_end(start)
        line = found and self.document.line_at(found[0])
        if not found or not line:
            return None
        first = max(start, line.start)
        inside = points(self.document.source, Span(first, min(line.end, self.reach(start), first + MAX_LINE)))
        inside = [point for point in inside if on_code_point(self.document.source, point)]
        return (self.rng.choice(inside), found[1]) if inside else None
