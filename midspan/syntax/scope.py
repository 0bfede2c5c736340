"""Where what a completion was asked for ends: for stopping a generation and shortening it.

The rule of `scope_end`, for a completion written at a caret:

- A caret with code before it on its line is inside a *statement*. The scope ends at the first line break where every
  bracket opened since the statement began is closed and the next line does not carry the statement on. A line carries
  it on if it is deeper than the caret's line, starts with a word such as `else` or `end`, or follows an operator.
- Any other caret (at a line's start, right behind what opens a block, or where the completion begins with a line
  break) is inside a *block*. The scope ends before the bracket that closes it; where indentation decides, also before
  the first line shallower than the first line written; on the top level also at a blank line between statements.
- A bracket that closes the block belongs to the scope only if the text after the caret does not close it already.
- In HTML and JSX an end tag that closes an element around the caret ends the scope like a bracket.
- Plain text: indentation decides, and no brackets are looked at.
- A line break counts only when the next line is known well enough: more text never changes an end already found.
  Who wants a single line takes the text before the first line break and needs none of this.

Only tokens and lines near the caret are read, never the structure of the tree, so half-typed code does not mislead it.
Cost: 2 to 4 ms for the first completion behind a prefix, however long, then 0.3 to 0.6 ms for each longer version of
it, because the prefix's tree is kept. Only where the last 8 kB of the prefix have no line to start at (data, one long
string) four times as much is parsed.
"""

import re
from dataclasses import dataclass

from midspan.syntax.brackets import (
    CLOSERS,
    LONG_QUOTES,
    OPENERS,
    Tokens,
    first_unmatched_closer,
    open_brackets,
    tokens_behind,
)
from midspan.syntax.languages import Language
from midspan.syntax.tags import half_tag, open_in_line, unopened

MAX_PREFIX = 32_768
"""Bytes of the prefix that are looked at; a quarter of them where that quarter has a line to start at."""
MAX_SUFFIX = 4_096
"""Characters of the suffix that are looked at."""

MAX_HEADER = 1_000
"""Bytes before a bracket in which the statement that opens it is sought."""

_LINE = re.compile(rb"([ \t]*)([^\r\n]*)(\r\n|\r|\n|\Z)")
_CARRIED_ON_BY_END = re.compile(rb"(?:(?<!\+)\+|[=\\]|&&|\|\||=>|->)\Z")
_CARRIED_ON_BY_START = re.compile(rb"\{|&&|\|\||\?\.")
_STARTING_LINE = re.compile(rb"\n([ \t]*)(?=\w)")
_LONG_TEXT_MARKS = (*LONG_QUOTES, b"/*", b"*/")
_UNDECIDED_START = re.compile(rb"\w*|.")
_WORD = re.compile(rb"\w+")
_CLOSING_TAIL = re.compile(rb"[)\]};,]*")


@dataclass(frozen=True)
class _Line:
    """A line of the completion, as offsets of the whole text: visible from `first` to `last`, `depth` columns deep."""

    first: int
    last: int
    depth: int
    whole: bool
    """Whether its line break is there too."""


@dataclass(frozen=True)
class _Caret:
    """What the scan needs to know about the caret."""

    offset: int
    language: Language | None
    in_statement: bool
    depth: int
    """Columns of the caret's line, or in a block of the first line written."""
    own: int
    """Brackets opened by the caret's statement before the caret."""
    own_closed_behind: int
    """How many of them the rest of the caret's line closes."""
    unopened_closed_behind: int
    """Brackets that the rest of the caret's line closes but only the completion can open."""
    in_brackets: bool
    """Whether the innermost open bracket is a round or a square one, so that indentation means nothing."""
    leaves_closer: bool
    """Whether the bracket that closes the block is not for the completion to write."""


@dataclass(frozen=True)
class _Scope:
    """Offsets of the whole text: ends of the caret's own statements, and the end of its scope."""

    statements: tuple[int, ...]
    end: int | None


def scope_end(prefix: str, completion: str, suffix: str, language: Language | None) -> int | None:
    """The character offset in `completion` where the caret's scope ends, or None while it is still open.

    The rule is on this module's page. A scope that ends exactly with the completion counts as open.
    """
    before, written = read_prefix(prefix, language), completion.encode()
    end = _scan(before, written, suffix, language).end
    return None if end is None else len(written[: end - len(before)].decode())


def statement_ends(prefix: str, completion: str, suffix: str, language: Language | None) -> list[int]:
    """Character offsets in `completion`, ascending, where a shorter and well-scoped version of it ends.

    These are the ends of statements of the caret's own block; none is behind the end of that block, none is the
    completion's own end, and none leaves nothing but blanks.
    """
    before, written = read_prefix(prefix, language), completion.encode()
    found = _scan(before, written, suffix, language)
    ends = {end - len(before) for end in (*found.statements, found.end) if end is not None}
    return [len(written[:end].decode()) for end in sorted(ends) if end < len(written) and written[:end].strip()]


def _scan(before: bytes, written: bytes, suffix: str, language: Language | None) -> _Scope:
    """Walk the lines and brackets of the completion until its scope ends."""
    text = before + written
    lines = _lines(text, len(before))
    caret = _caret(before, written, lines, suffix, language)
    tokens = tokens_behind(before, written, language) if language else Tokens((), ())
    brackets = list(reversed(tokens.brackets))
    tag = _end_tag(before, text, caret, suffix, tokens) if language and language.tags else None
    by_depth = (language is None or language.indented) and not caret.in_brackets
    statements: list[int] = []
    inner, own = 0, caret.own
    last = caret.offset  # behind the last visible byte read so far
    after_blank = False

    def scope(end: int | None) -> _Scope:
        if caret.in_statement and statements:
            end = statements[0]
        return _Scope(tuple(statements), end)

    for number, line in enumerate(lines):
        if line.first == line.last:
            after_blank = number > 0
            continue
        if last > caret.offset and not inner and not own and not tokens.hides(line.first):
            if not line.whole and language and _UNDECIDED_START.fullmatch(text, line.first, line.last):
                break
            ended = not _carries_on(text, last, line, caret)
            if ended:
                statements.append(last)
            leaves = by_depth and line.depth < caret.depth and (ended or not caret.in_statement)
            apart = ended and after_blank and caret.depth == 0 and not caret.in_brackets and not caret.in_statement
            if leaves or apart:
                return scope(last)
        after_blank = False
        while brackets and brackets[-1][0] < (min(line.last, tag[0]) if tag else line.last):
            offset, bracket = brackets.pop()
            if bracket in OPENERS:
                inner += 1
            elif inner > caret.unopened_closed_behind:
                inner -= 1
            elif own > caret.own_closed_behind and not inner:
                own -= 1
            elif caret.leaves_closer:
                return scope(_behind_visible(text, caret.offset, offset))
            else:
                tail = _CLOSING_TAIL.match(text, offset)
                end = tail.end() if tail else offset + 1
                return scope(end if end < len(text) else None)
        if tag and tag[0] < line.last:
            return scope(tag[1])
        last = line.last
    return scope(None)


def _caret(before: bytes, written: bytes, lines: list[_Line], suffix: str, language: Language | None) -> _Caret:
    line_start = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
    typed = before[line_start:]
    stack = open_brackets(before, language.name) if language else ()
    if language and language.indented:
        stack = _without_abandoned(stack, before, line_start)
    opens_block = bool(stack) and stack[-1][1] == "{" and not before[stack[-1][0] + 1 :].strip()
    breaks_line = written.lstrip(b" \t")[:1] in (b"\n", b"\r")
    in_statement = bool(typed.strip()) and not opens_block and not breaks_line
    behind = suffix[:MAX_SUFFIX].encode()
    own = 0
    if in_statement:
        while own < len(stack) and (stack[-1 - own][1] in "([" or stack[-1 - own][0] >= line_start):
            own += 1
    closers = _closers_of_line(behind) if in_statement else 0
    first = next((line for line in lines if line.first < line.last), None)
    depth = _depth(typed) if in_statement else first.depth if first else 0
    return _Caret(
        offset=len(before),
        language=language,
        in_statement=in_statement,
        depth=depth,
        own=own,
        own_closed_behind=min(own, closers),
        unopened_closed_behind=max(0, closers - len(stack)),
        in_brackets=bool(stack) and stack[-1][1] in "([" and not in_statement,
        leaves_closer=in_statement
        or not stack
        or _closes(behind, len(suffix) > MAX_SUFFIX, _opening_depth(before, stack[-1][0], depth), language),
    )


def _carries_on(text: bytes, last: int, line: _Line, caret: _Caret) -> bool:
    """Whether `line` carries on the statement whose last visible byte is before `last`."""
    if line.depth > caret.depth:
        return True
    if caret.language is None:
        return False
    if _CARRIED_ON_BY_END.search(text, max(caret.offset, last - 8), last):
        return True
    word = _WORD.match(text, line.first)
    if word and line.depth == caret.depth and word.group().decode().lower() in caret.language.continuations:
        return True
    by_start = not caret.language.indented and text[last - 1 : last] not in (b",", b";", b"{", b"}")
    return by_start and _CARRIED_ON_BY_START.match(text, line.first) is not None


def _end_tag(before: bytes, text: bytes, caret: _Caret, suffix: str, tokens: Tokens) -> tuple[int, int | None] | None:
    """Where the first end tag is written that closes an element around the caret's statement, and so the scope's end.

    Like a closing bracket it belongs to the scope only if the text after the caret does not hold it already.
    """
    line = before[max(before.rfind(b"\n"), before.rfind(b"\r")) + 1 :] if caret.in_statement else b""
    behind = suffix[:MAX_SUFFIX].encode()
    half = half_tag(line)
    own = open_in_line(line[: len(line) - half], re.split(rb"[\r\n]", behind, maxsplit=1)[0])
    found = unopened(text, len(before) - half, own)
    tag = next((each for each in found if each.start >= len(before) and not tokens.hides(each.start)), None)
    if tag is None:
        return None
    following = next(iter(unopened(behind, 0, [])), None)
    if caret.in_statement or (following and following.name == tag.name):
        return tag.start, _behind_visible(text, caret.offset, tag.start)
    return tag.start, tag.end if tag.end < len(text) else None


def _closes(behind: bytes, cut: bool, opening_depth: int, language: Language | None) -> bool:
    """Whether the text behind the caret closes a bracket opened at that depth, judged by its own indentation."""
    closer = first_unmatched_closer(behind, language.name) if language else None
    if closer is None:
        return cut
    if not behind[:closer].strip(b" \t)]};,"):
        return True
    return _depth(_line_of(behind, closer)) >= opening_depth


def _opening_depth(before: bytes, bracket: int, depth: int) -> int:
    """How deep the statement is that opens `bracket`: its line, or one above it that is shallower than the block."""
    own = _depth(_line_of(before, bracket))
    if own < depth:
        return own
    lines = re.split(rb"[\r\n]+", before[max(0, bracket - MAX_HEADER) : bracket])[1:-1]
    return next((_depth(above) for above in reversed(lines) if above.strip() and _depth(above) < depth), own)


def _without_abandoned(
    stack: tuple[tuple[int, str], ...], before: bytes, line_start: int
) -> tuple[tuple[int, str], ...]:
    """`stack` without round and square brackets that a later line, as shallow as theirs, shows to be typing errors."""
    kept = []
    for offset, bracket in stack:
        depth = _depth(_line_of(before, offset))
        later = [line for line in re.split(rb"[\r\n]+", before[offset:line_start])[1:] if line.strip()]
        if bracket == "{" or all(_depth(line) > depth or line.strip()[:1] in b")]}" for line in later):
            kept.append((offset, bracket))
    return tuple(kept)


def _closers_of_line(behind: bytes) -> int:
    """Brackets that the rest of the caret's line closes without having opened them."""
    open_, closed = 0, 0
    for character in re.split(rb"[\r\n]", behind, maxsplit=1)[0].decode():
        if character in OPENERS:
            open_ += 1
        elif character in CLOSERS:
            closed, open_ = (closed, open_ - 1) if open_ else (closed + 1, 0)
    return closed


def _lines(text: bytes, caret: int) -> list[_Line]:
    """The lines of the completion; the first is read from the caret on, but its depth is that of the caret's line."""
    line_start = max(text.rfind(b"\n", 0, caret), text.rfind(b"\r", 0, caret)) + 1
    lines: list[_Line] = []
    for match in _LINE.finditer(text, caret):
        start = match.start() if lines else line_start
        last = match.start(2) + len(match.group(2).rstrip())
        lines.append(_Line(match.start(2), last, _depth(text[start : match.end(2)]), bool(match.group(3))))
        if not match.group(3):
            break
    return lines


def _line_of(text: bytes, offset: int) -> bytes:
    return text[max(text.rfind(b"\n", 0, offset), text.rfind(b"\r", 0, offset)) + 1 :][:1_000]


def _depth(line: bytes) -> int:
    """Columns of indentation, with tab stops every four."""
    return len(line[: len(line) - len(line.lstrip(b" \t"))].expandtabs(4))


def _behind_visible(text: bytes, caret: int, end: int) -> int:
    return caret + len(text[caret:end].rstrip())


def read_prefix(prefix: str, language: Language | None) -> bytes:
    """The end of the prefix that is looked at, preferably from a line on that no line near it is shallower than."""
    data = prefix.encode()
    tag = language.opening_tag.encode() if language else b""
    for size in (MAX_PREFIX // 4, MAX_PREFIX):
        if len(data) <= size:
            return data
        start = _start(data, len(data) - size, len(data) - size // 2)
        if start is not None:
            return tag + data[start:]
    start = len(data) - MAX_PREFIX
    return tag + data[max(start, data.find(b"\n", start) + 1) :]


def _start(data: bytes, first: int, last: int) -> int | None:
    """The start of the first of the shallowest lines between two offsets that is not inside a string or a comment.

    Such a line has an odd number of quotes, or a comment still open, before it.
    """
    lines = list(_STARTING_LINE.finditer(data, first, last))
    shallowest = min((_depth(line.group(1)) for line in lines), default=0)
    counted = 0
    seen = dict.fromkeys(_LONG_TEXT_MARKS, 0)
    for line in lines:
        if _depth(line.group(1)) == shallowest:
            part = data[counted : line.end()]
            counted = line.end()
            for mark in seen:
                seen[mark] += part.count(mark)
            if seen[b"/*"] == seen[b"*/"] and not any(seen[quote] % 2 for quote in LONG_QUOTES):
                return line.start(1)
    return None
