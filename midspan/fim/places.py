"""Carets as editors have them: places where somebody stops to think, and what they write next.

Training draws its cuts so that every offset has a chance (`fim.syntax`); an evaluation asks at the places that a person
sees suggestions at, each of them often enough to be measured:

    place          the caret stands                                  what is written ends
    line_start     behind the indentation of a new line              with its line, or a run of statements
    line_middle    between two tokens, outside of argument lists     the same
    token_middle   inside a word                                     the same
    block_body     where a body begins                               with the body; if that is too long, a run of
                                                                     statements in it
    arguments      behind an opening bracket or a comma              before the closing bracket, which editors write
    after_line     behind a statement, as an accepted suggestion     with the statement on the next line, or a run of
                   leaves it; the line break is still to come        them
    text           in a comment or a string, before a word           with its line, or before the closing quote

Comments at the head of a file, licences mostly, are no place. A middle never cuts a block in half, and behind its first
line closes no bracket that it did not open. It may be trivial, that is the caller's to judge.
"""

import random
import re
from collections.abc import Iterator
from enum import StrEnum

from midspan.fim.split import Split
from midspan.fim.syntax import ONE_MORE_STATEMENT, OPENING_SHARE, Cutter, opens_text
from midspan.syntax.cuts import Block, Span, on_code_point, opening, outline, token_borders, word_interiors
from midspan.syntax.languages import Language

DRAWS = 30
"""Draws at a place before a document counts as having no more of it."""

_BREAK = re.compile(rb"\r\n|\n|\r")
_VISIBLE = re.compile(rb"\S")
_BRACKET = re.compile(rb"[()\[\]{}]")
_BRACKET_OR_COMMA = re.compile(rb"[()\[\]{},]")
_WORD_START = re.compile(rb"(?<![\w\x80-\xff])[\w\x80-\xff]")
_CLOSING_MARKS = b" \t\"'`*/->"
"""What ends a string or a comment, and the blanks before it."""


class Place(StrEnum):
    """Where a caret stands (see the table above)."""

    LINE_START = "line_start"
    LINE_MIDDLE = "line_middle"
    TOKEN_MIDDLE = "token_middle"
    BLOCK_BODY = "block_body"
    ARGUMENTS = "arguments"
    AFTER_LINE = "after_line"
    TEXT = "text"


Middle = tuple[int, int, str]
"""Start, end, and the unit whose end that is."""


def place_splits(
    text: str, language: Language, rng: random.Random, each: int, max_middle_chars: int
) -> Iterator[tuple[Place, Split]]:
    """Up to `each` different cuts of `text` at every place, a function of the arguments and the state of `rng`.

    Both kinds of a cut are named by the place. Cost: one parse and two queries, then microseconds a draw.
    """
    carets = _Carets(Cutter(outline(text.encode(), language), language, rng, max_middle_chars))
    source = carets.source
    for place in Place if carets.document.lines else ():
        found: set[int] = set()
        for _ in range(DRAWS):
            if len(found) == each:
                break
            middle = carets.draw(place)
            if middle is None:
                continue
            start, end, unit = middle
            if start < carets.first_code or start in found or not carets.is_whole(start, end):
                continue
            found.add(start)
            before, truth, after = (part.decode() for part in (source[:start], source[start:end], source[end:]))
            yield place, Split(before, truth, after, place.value, place.value, unit)


class _Carets:
    """Draws places of one document; each method makes one attempt."""

    def __init__(self, cutter: Cutter) -> None:
        self.cutter, self.document, self.rng = cutter, cutter.document, cutter.rng
        self.source = cutter.source
        self.texts = cutter.texts.spans
        self.starts_of_blocks = {block.start for block in self.document.blocks}
        self.first_code = self._first_code()

    def draw(self, place: Place) -> Middle | None:
        """A middle at the place, None if this attempt found none."""
        match place:
            case Place.LINE_START:
                return self._line_start()
            case Place.LINE_MIDDLE | Place.TOKEN_MIDDLE:
                return self._inside_line(place)
            case Place.BLOCK_BODY:
                return self._block_body()
            case Place.ARGUMENTS:
                return self._arguments()
            case Place.AFTER_LINE:
                return self._after_line()
            case Place.TEXT:
                return self._text()

    def is_whole(self, start: int, end: int) -> bool:
        """Whether a middle is within its length, cuts no block in half and leaves brackets around it to others."""
        if not self.cutter.is_whole(start, end):
            return False
        first_line = _BREAK.search(self.source, start, end)
        depth = lowest = 0
        for bracket in _BRACKET.finditer(self.source, start, end):
            if self.cutter.texts.around(bracket.start()):
                continue
            depth += 1 if bracket[0] in b"([{" else -1
            if first_line is None or bracket.start() < first_line.start():
                lowest = min(lowest, depth)
            elif depth < lowest:
                return False
        return True

    def _first_code(self) -> int:
        """Where the first line begins that is no comment."""
        behind = 0
        for span in self.texts:
            if self.source[behind : span.start].strip() or not opens_text(self.source, span.start):
                break
            behind = span.end
        return behind

    def _line_start(self) -> Middle | None:
        line = self.rng.choice(self.document.lines)
        if line.start in self.starts_of_blocks or opens_text(self.source, line.start):
            return None
        if self.cutter.texts.around(line.start) or self.source[line.start : line.start + 1] in b")]}":
            return None
        return self._to_line_end(line.start)

    def _inside_line(self, place: Place) -> Middle | None:
        part = self.cutter.part(self.rng.choice(self.document.lines))
        points = (
            word_interiors(self.source, part)
            if place is Place.TOKEN_MIDDLE
            else token_borders(self.source, part, ends=False)
        )
        start = self.rng.choice(points) if points else None
        if start is None or self.cutter.texts.around(start):
            return None
        if place is Place.LINE_MIDDLE and any(span.start <= start <= span.end for span in self.document.arguments):
            return None
        return self._to_line_end(start)

    def _to_line_end(self, start: int) -> Middle | None:
        end = self.cutter.line_end(start)
        return (start, *end) if end else None

    def _block_body(self) -> Middle | None:
        if not self.document.blocks:
            return None
        block = self.rng.choice(self.document.blocks)
        start = opening(self.document, block) if self.rng.random() < OPENING_SHARE else block.start
        if block.end <= self.cutter.reach(start):
            return start, block.end, "block"
        return self._run(start, block, 0)

    def _arguments(self) -> Middle | None:
        if not self.document.arguments:
            return None
        span = self.rng.choice(self.document.arguments)
        if self.cutter.texts.around(span.start):
            return None
        return self.rng.choice([span.start, *self._behind_commas(span)]), span.end, "arguments"

    def _behind_commas(self, span: Span) -> list[int]:
        """Where the arguments behind the first begin."""
        points: list[int] = []
        depth = 0
        for mark in _BRACKET_OR_COMMA.finditer(self.source, *span):
            if self.cutter.texts.around(mark.start()):
                continue
            if mark[0] != b",":
                depth += 1 if mark[0] in b"([{" else -1
            elif depth == 0 and (argument := _VISIBLE.search(self.source, mark.end(), span.end)):
                points.append(argument.start())
        return points

    def _after_line(self) -> Middle | None:
        block = self.rng.choice((self.document.root, *self.document.blocks))
        if len(block.statements) < 2:
            return None
        number = self.rng.randrange(len(block.statements) - 1)
        start = self.cutter.end_of_line(block.statements[number].end)
        following = block.statements[number + 1].start
        if start is None or len(_BREAK.findall(self.source, start, following)) != 1:
            return None
        if self.cutter.texts.around(start) or opens_text(self.source, following):
            return None
        return self._run(start, block, number + 1)

    def _run(self, start: int, block: Block, number: int) -> Middle | None:
        """From `start` to the end of the block's statement with this number, or of one soon after it."""
        ends = [self.cutter.end_of_line(block.statements[number].end)]
        for statement in block.statements[number + 1 :]:
            if statement.end > self.cutter.reach(start) or self.rng.random() > ONE_MORE_STATEMENT:
                break
            ends.append(self.cutter.end_of_line(statement.end))
        end = next((end for end in reversed(ends) if end is not None), None)
        return None if end is None else (start, end, "statement")

    def _text(self) -> Middle | None:
        if not self.texts:
            return None
        span = self.rng.choice(self.texts)
        inside = span.start + len(self.source[span.start : span.end].rstrip(_CLOSING_MARKS))
        words = [word.start() for word in _WORD_START.finditer(self.source, span.start + 1, inside)]
        start = self.rng.choice(words) if words else None
        line = None if start is None else self.document.line_at(start)
        if start is None or line is None or not on_code_point(self.source, start):
            return None
        return (start, line.end, "line") if line.end <= inside else (start, inside, "token")
