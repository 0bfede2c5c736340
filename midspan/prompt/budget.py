"""Fitting text into a number of tokens without cutting a line.

Long text is encoded block by block and no further than the room reaches; blocks come from the tokenizer's memory while
the user types elsewhere. A line that is too long for the room by its bytes alone is not encoded at all.
"""

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
    for block in blocks(split_lines(text), HEAD_BLOCK_LINES):
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


def fit_tail(tokenizer: Tokenizer, text: str, room: int, step: int) -> Fitted:
    """As many whole lines from the end of `text` as `room` tokens hold, beginning at a multiple of `step` lines.

    Multiples are counted from the start of `text`, so text that grows at its end is cut at the same place for some
    lines. If not even the lines since the last multiple fit, the cut moves line by line, and within the last line if
    that alone is too long: what is next to the caret is always kept.
    """
    lines = split_lines(text)
    parts: list[tuple[int, ...]] = []
    start = len(lines)
    left = room
    while start:
        above = (start - 1) // step * step
        encoded = _encode(tokenizer, "".join(lines[above:start]), left)
        if encoded is None:
            break
        parts.append(encoded)
        left -= len(encoded)
        start = above
    if parts or not lines:
        return Fitted(tuple(id for part in reversed(parts) for id in part), "".join(lines[start:]))
    if step > 1:
        return fit_tail(tokenizer, text, room, 1)
    return _fit_line_end(tokenizer, lines[-1], room)


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
