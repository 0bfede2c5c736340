"""Fitting text into a number of tokens without cutting a line.

Long text is encoded block by block and no further than the room reaches; blocks come from the tokenizer's memory while
the user types elsewhere. A line that is too long for the room by its bytes alone is not encoded at all.
"""

import math
from dataclasses import dataclass

from midspan.context.lines import blocks, split_lines
from midspan.prompt.tokenizer import Tokenizer

HEAD_BLOCK_LINES = 16
STEP_TOKENS = 192
"""Budget per line of a cut step: at about 12 tokens a line a step is about a sixteenth of the budget."""


@dataclass(frozen=True)
class Fitted:
    """The part of a text that fits: its tokens, and the text they stand for."""

    ids: tuple[int, ...]
    text: str


def step_lines(max_tokens: int) -> int:
    """Lines by which the start of a long prefix moves, for a prompt of `max_tokens`."""
    return max(1, max_tokens // STEP_TOKENS)


def fit_head(tokenizer: Tokenizer, text: str, room: int) -> Fitted:
    """As many whole lines from the start of `text` as `room` tokens hold."""
    ids: list[int] = []
    kept: list[str] = []
    # What is behind the line that reaches beyond all the room could hold makes no difference, and may be megabytes.
    reach = text.find("\n", room * tokenizer.longest_token) + 1 or len(text)
    for block in blocks(split_lines(text[:reach]), HEAD_BLOCK_LINES):
        encoded = _encode(tokenizer, block, room - len(ids))
        if encoded is not None:
            ids += encoded
            kept.append(block)
            continue
        for line in split_lines(block):
            encoded = _encode(tokenizer, line, room - len(ids))
            if encoded is None:
                break
            ids += encoded
            kept.append(line)
        break
    return Fitted(tuple(ids), "".join(kept))


def fit_tail(tokenizer: Tokenizer, text: str, room: int, step: int, lead: str = "") -> Fitted:
    """As many whole lines from the end of `text` as `room` tokens hold, beginning at a multiple of `step` lines.

    Multiples are counted from the start of `text`, so text that grows at its end is cut at the same place for some
    lines. If not even the lines since the last multiple fit, the cut moves line by line, and within the last line if
    that alone is too long: what is next to the caret is always kept. What is kept, unless empty, is headed by `lead`.
    """
    parts = _tail_parts(tokenizer, text, room - (len(tokenizer.encode_block(lead)) if lead else 0), step)
    if lead and parts:
        parts[0] = with_lead(tokenizer, lead, parts[0])
    return Fitted(tuple(id for part in parts for id in part.ids), "".join(part.text for part in parts))


def fit_grown(tokenizer: Tokenizer, text: str, start: int, room: int, step: int, lead: str = "") -> Fitted:
    """The end of `text` from `start` on, which was cut there before some characters came or went at its end.

    If that is more than `room` tokens hold, or less than half of it though more could be shown, a new start is chosen
    that leaves a quarter of the room free: so it moves seldom, and then far.
    """
    grown = fit_tail(tokenizer, text[start:], room, step, lead)
    whole = len(grown.text) == len(text) - start + (len(lead) if grown.text else 0)
    if whole and (start == 0 or len(grown.ids) >= room / 2):
        return grown
    return fit_tail(tokenizer, text, math.ceil(room * 3 / 4), step, lead)


def with_lead(tokenizer: Tokenizer, lead: str, fitted: Fitted) -> Fitted:
    """`fitted` headed by `lead`, encoded together unless that takes more tokens than the two have apart."""
    together = tokenizer.encode_block(lead + fitted.text)
    apart = tokenizer.encode_block(lead) + fitted.ids
    return Fitted(together if len(together) <= len(apart) else apart, lead + fitted.text)


def _tail_parts(tokenizer: Tokenizer, text: str, room: int, step: int) -> list[Fitted]:
    """The blocks of lines of `fit_tail`, in the order of the text."""
    lines = split_lines(text)
    parts: list[Fitted] = []
    start = len(lines)
    left = room
    while start:
        above = (start - 1) // step * step
        block = "".join(lines[above:start])
        encoded = _encode(tokenizer, block, left)
        if encoded is None:
            break
        parts.append(Fitted(encoded, block))
        left -= len(encoded)
        start = above
    if parts or not lines:
        return parts[::-1]
    if step > 1:
        return _tail_parts(tokenizer, text, room, 1)
    line_end = _fit_line_end(tokenizer, lines[-1], room)
    return [line_end] if line_end.text else []


def _fit_line_end(tokenizer: Tokenizer, line: str, room: int) -> Fitted:
    """The end of one line too long for `room`; its start moves in steps of tokens and is never inside a character."""
    reach = room * tokenizer.longest_token
    # Only the last characters can fit; taking them from a multiple of `reach` keeps the tokens steady while typing.
    line = line[max(0, (len(line) // reach - 1) * reach) :] if reach else ""
    ids = tokenizer.encode_block(line)
    step = max(1, room // 4)
    start = max(0, -(-(len(ids) - room) // step) * step)
    while start < len(ids) and tokenizer.token_bytes(ids[start])[0] & 0xC0 == 0x80:
        start += 1
    return Fitted(ids[start:], tokenizer.decode(ids[start:]))


def _encode(tokenizer: Tokenizer, text: str, room: int) -> tuple[int, ...] | None:
    """Tokens of `text`, or None if they are more than `room`."""
    if len(text) > room * tokenizer.longest_token:
        return None
    ids = tokenizer.encode_block(text)
    return ids if len(ids) <= room else None
