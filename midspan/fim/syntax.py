"""Cutting a document so that the middle is a meaningful piece (blueprint, stage 2).

The kinds of both cut points are drawn first, each by its own weights. Then a start of the drawn kind is drawn from the
document, and an end of the drawn kind is sought where a developer's thought would end, seen from there:

    block boundary   the end of the block the start is in
    line start       the end of the line, or of one or more statements
    line middle      the end of the argument list, of the word, or of an expression in the caret's line
    token middle     inside a word of what "line start" would have taken

A middle shows two characters or more, a letter or digit among them. It holds other blocks whole or not at all, and does
not leave the block it starts in, save by finishing a line. One that starts inside a string or a comment stays in its
line.

A start without such an end in reach is drawn again; a pair of kinds that the document has no middle for gives way to
another one, drawn from those not tried yet: hence the kinds come out as weighted wherever documents allow it. Cost: one
parse and one query, mostly a second query to tell code from text, then a few microseconds per attempt.
"""

import random
import re
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property, partial
from itertools import product, takewhile

from midspan.errors import MidspanError
from midspan.fim.split import Split
from midspan.fim.text_spans import TextSpans
from midspan.recipe.schema import CutWeights, FimConfig
from midspan.syntax.cuts import (
    Block,
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

START_DRAWS = 100
"""Draws of a start for one pair of kinds before the document counts as having no middle for it."""
MIN_VISIBLE = 2
"""Characters of a middle, blanks around it aside: less is not worth a suggestion."""
POINT_DRAWS = 8
"""Draws of an end among the points of one line."""
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

_BEHIND_STATEMENT = re.compile(rb"[;,]?[ \t]*((#|//|--|/\*|<!--).*)?")
"""What may stand between the last statement of a run and the end of its line: a separator and a comment."""
_TEXT = re.compile(rb"#(?![a-z])|//|/\*|--|<!--|[\"'`]")
"""How a statement begins that is a comment or a string: it leads up to the next one, so a run does not end with it."""
_CLOSING = re.compile(rb"[)\]}]|</")
"""How a line begins that closes what was opened before it: no place where one starts to write."""
_ENDS_EXPRESSION = re.compile(rb"[\w\x80-\xff)\]}\"'`]")
_GOES_ON = re.compile(rb"\.|->|::|\?\.|[ \t]+[\w\x80-\xff\"'`(]")
"""What follows an end that is none: the rest of a chain, or what a keyword, a type or a word of prose leads up to."""

Pair = tuple[CutKind, CutKind]
"""The kinds of the start and of the end of a middle."""
End = tuple[int, str]
"""Where a middle ends, and the unit whose end that is."""


def syntax_split(text: str, language: Language | None, rng: random.Random, config: FimConfig) -> Split | None:
    """Cut a meaningful middle of 1 to `config.max_middle_chars` characters out of `text`; None if nothing fits.

    The result is a function of the arguments and the state of `rng`. Text without grammar is cut by indentation.
    Raises MidspanError if all weights of the start or of the end are zero.
    """
    weights = pair_shares(config)
    source = text.encode()
    document = outline(source, language)
    if not any(map(str.isalnum, text)):
        return None
    cutter = Cutter(document, language, rng, config.max_middle_chars)
    while weights:
        pair = rng.choices(tuple(weights), tuple(weights.values()))[0]
        found = cutter.cut(*pair)
        if found:
            start, end, unit = found
            prefix, middle, suffix = (part.decode() for part in (source[:start], source[start:end], source[end:]))
            return Split(prefix, middle, suffix, pair[0].value, pair[1].value, unit)
        del weights[pair]
    return None


def possible_pairs(text: str, language: Language | None, rng: random.Random, config: FimConfig) -> set[Pair]:
    """The asked pairs of kinds that `text` has a middle for, as far as `syntax_split` would find one."""
    document = outline(text.encode(), language)
    cutter = Cutter(document, language, rng, config.max_middle_chars)
    return {pair for pair in pair_shares(config) if any(map(str.isalnum, text)) and cutter.cut(*pair)}


def pair_shares(config: FimConfig) -> dict[Pair, float]:
    """The asked share of every pair (kind of the start, kind of the end) that has one; together 1."""
    starts, ends = shares(config.start, "start"), shares(config.end, "end")
    return {(start, end): starts[start] * ends[end] for start, end in product(starts, ends)}


def shares(weights: CutWeights, name: str) -> dict[CutKind, float]:
    """The asked shares of the kinds that have one; `name` is "start" or "end", for the error if none has."""
    values = {kind: float(getattr(weights, kind)) for kind in CutKind}
    total = sum(values.values())
    if not total:
        raise MidspanError(f"all weights in [fim.{name}] are zero", "give at least one kind of cut a weight above zero")
    return {kind: value / total for kind, value in values.items() if value}


def opens_text(source: bytes, offset: int) -> bool:
    """Whether a comment or a string begins at `offset`, by its first characters."""
    return _TEXT.match(source, offset) is not None


class Cutter:
    """Draws cut points of one document."""

    def __init__(self, document: Outline, language: Language | None, rng: random.Random, max_chars: int) -> None:
        self.document, self.language, self.rng, self.max_chars = document, language, rng, max_chars
        self.source = document.source
        self.ascii = document.source.isascii()

    @cached_property
    def texts(self) -> TextSpans:
        """The strings and comments of the document."""
        return TextSpans(self.document, self.language)

    def cut(self, start_kind: CutKind, end_kind: CutKind) -> tuple[int, int, str] | None:
        """(start, end, unit) of a middle with these kinds; None if no attempt at one succeeds."""
        if start_kind is CutKind.BLOCK_BOUNDARY and not self.document.blocks:
            return None
        for _ in range(START_DRAWS):
            start = self.start(start_kind)
            end = None if start is None else self.end(start, start_kind, end_kind)
            if start is not None and end is not None and self.is_meaningful(start, end[0]):
                return start, *end
        return None

    def end(self, start: int, start_kind: CutKind, end_kind: CutKind) -> End | None:
        """One attempt at an end of the kind for a middle that starts at `start`."""
        text = None if start_kind is CutKind.BLOCK_BOUNDARY else self.texts.around(start)
        if text:
            return self.end_in_text(start, text, start_kind, end_kind)
        match end_kind:
            case CutKind.BLOCK_BOUNDARY:
                return self.block_end(start)
            case CutKind.LINE_START:
                return self.line_end(start)
            case CutKind.LINE_MIDDLE:
                return self.middle_of_line(start, in_word=start_kind is CutKind.TOKEN_MIDDLE)
            case CutKind.TOKEN_MIDDLE:
                return self.moved(start, word_interiors, self.is_code_or_short_string)

    def is_meaningful(self, start: int, end: int) -> bool:
        """Whether a middle is within its length, not mere punctuation, and cuts no block in half."""
        if not self.is_whole(start, end):
            return False
        visible = self.source[start:end].decode().strip()
        return len(visible) >= MIN_VISIBLE and any(map(str.isalnum, visible))

    def is_whole(self, start: int, end: int) -> bool:
        """Whether a middle is within its length and cuts no block in half."""
        if not start < end <= self.reach(start):
            return False
        middle = self.source[start:end]
        if b"\n" not in middle and b"\r" not in middle:
            return True
        own = self.opened_at(start)
        for block in self.document.blocks:
            if block.start >= end:
                break
            begins_inside, ends_inside = start < block.start, block.end <= end
            if begins_inside and not ends_inside and block is not own:
                return False
            if not begins_inside and start < block.end < end and start != block.start:
                return False
        return True

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
            block = rng.choice(document.blocks)
            return opening(document, block) if rng.random() < OPENING_SHARE else block.start
        line = rng.choice(document.lines)
        if kind is CutKind.LINE_START:
            return None if _CLOSING.match(self.source, line.start) else line.start
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

    def opened_at(self, start: int) -> Block | None:
        """The block that `start` lies right behind the opening of."""
        behind = self.document.block_behind(start)
        return behind if behind and start == opening(self.document, behind) else None

    def block_of(self, start: int) -> Block:
        """The block that a middle starting at `start` is about."""
        return self.opened_at(start) or self.document.enclosing(start)

    def block_end(self, start: int) -> End:
        """The end of the block the start is in, or right behind whose opening it is."""
        return self.block_of(start).end, "block"

    def line_end(self, start: int) -> End | None:
        """The end of the caret's line, or of a run of statements from the caret on."""
        line = self.document.line_at(start)
        if line and start < line.end:
            share = REST_OF_LINE_SHARE if start > line.start else REST_OF_LINE_SHARE / 2
            if self.rng.random() < share:
                return line.end, "line"
        reach = self.reach(start)
        statements = [span for span in self.block_of(start).statements if start < span.end <= reach]
        code = [span for span in statements if not opens_text(self.source, span.start)]
        carried = (self.end_of_line(span.end) for span in code or statements)
        ends = [end for end in carried if end is not None and end <= reach]
        if not ends:
            return (line.end, "line") if line else None
        chances = [ONE_MORE_STATEMENT**more for more in range(len(ends))]
        return self.rng.choices(ends, chances)[0], "statement"

    def end_of_line(self, end: int) -> int | None:
        """A statement's end carried on to the end of its line, past a separator or a comment but past nothing else."""
        line = self.document.line_at(end)
        if line is None:
            return None
        return line.end if _BEHIND_STATEMENT.fullmatch(self.source, end, line.end) else None

    def middle_of_line(self, start: int, in_word: bool) -> End | None:
        """The end of the word the start is in, of an argument list, or of an expression further on."""
        if in_word and self.rng.random() < WORD_SHARE:
            end = self.word_end(start)
            if end:
                return end, "token"
        end = self.arguments_end(start) if self.rng.random() < ARGUMENTS_SHARE else None
        return (end, "arguments") if end else self.moved(start, partial(token_borders, ends=True), self.is_expression)

    def word_end(self, start: int) -> int | None:
        """The end of the word that `start` is inside of, if more of the line follows."""
        line = self.document.line_at(start)
        ends = line and token_borders(self.source, Span(start, min(line.end, start + MAX_WORD)), ends=True)
        return ends[0] if ends else None

    def arguments_end(self, start: int) -> int | None:
        """The end of the innermost argument list around `start`; else of one in the last line `line_end` would take."""
        around = [span for span in self.document.arguments if span.start <= start < span.end]
        if around:
            return self.inside_line(min(around, key=lambda span: span.end - span.start).end)
        found = self.line_end(start)
        line = found and self.document.line_at(found[0])
        if not line:
            return None
        ends: list[int] = []
        first = bisect_right(self.document.arguments, max(start, line.start), key=lambda span: span.start)
        for span in takewhile(lambda span: span.start < line.end, self.document.arguments[first:]):
            is_nested = bool(ends) and span.end <= ends[-1]
            end = None if is_nested else self.inside_line(span.end)
            if end:
                ends.append(end)
        return self.rng.choice(ends) if ends else None

    def inside_line(self, end: int) -> int | None:
        """`end` if more of its line follows."""
        line = self.document.line_at(end)
        return end if line and line.start < end < line.end else None

    def moved(
        self, start: int, points: Callable[[bytes, Span], list[int]], fits: Callable[[int, int], bool]
    ) -> End | None:
        """The end `line_end` would take, moved back to one of the points of its last line that fit.

        A middle that starts inside a line stays in it.
        """
        line = self.document.line_at(start)
        found = (line.end, "line") if line and line.start < start < line.end else self.line_end(start)
        line = found and self.document.line_at(found[0])
        if not found or not line:
            return None
        first = max(start, line.start)
        inside = points(self.source, Span(first, min(line.end, self.reach(start), first + MAX_LINE)))
        inside = [point for point in inside if on_code_point(self.source, point)]
        for point in self.rng.sample(inside, min(POINT_DRAWS, len(inside))):
            if fits(start, point):
                return point, found[1]
        return None

    def is_expression(self, start: int, end: int) -> bool:
        """Whether an expression ends at `end`, with every bracket closed that was opened since `start`."""
        if not _ENDS_EXPRESSION.match(self.source, end - 1) or _GOES_ON.match(self.source, end):
            return False
        if self.texts.around(end):
            return False
        depth = 0
        for byte in self.source[start:end]:
            if byte in b"([{":
                depth += 1
            elif byte in b")]}":
                depth = max(0, depth - 1)
        return depth == 0

    def is_code_or_short_string(self, start: int, end: int) -> bool:
        """Whether `end` is in code, or in a string without line breaks that started with the middle or later."""
        text = self.texts.around(end)
        return text is None or self.texts.is_quoted_on_one_line(text)

    def end_in_text(self, start: int, text: Span, start_kind: CutKind, end_kind: CutKind) -> End | None:
        """One attempt at an end for a middle that starts inside a string or a comment."""
        line = self.document.line_at(start)
        if line is None or start >= line.end:
            return None
        match end_kind:
            case CutKind.BLOCK_BOUNDARY:
                return None
            case CutKind.LINE_START:
                return line.end, "line"
            case CutKind.LINE_MIDDLE:
                ends = [(self.inside_line(text.end), "token")] if text.end < line.end else []
                ends += [(self.word_end(start), "token")] if start_kind is CutKind.TOKEN_MIDDLE else []
                found = [(end, unit) for end, unit in ends if end is not None]
                return self.rng.choice(found) if found else None
            case CutKind.TOKEN_MIDDLE:
                inside = word_interiors(self.source, Span(start, min(line.end, text.end, start + MAX_LINE)))
                inside = [point for point in inside if point > start]
                return (self.rng.choice(inside), "line") if inside else None
