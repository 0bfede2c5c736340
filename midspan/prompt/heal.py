"""Token healing: cut a prompt back to a token border that holds whatever is written next.

A prompt that ends inside a token ends in tokens the model never saw there: neither "retu" nor the blanks of "    " are
the beginning of the tokens of "    return". So the prompt stops at the last *safe* border before the caret, and the
generation must first reproduce what was cut. A byte-level BPE merges within pre-tokens only, and a border is safe if it
is one between pre-tokens for every text that may follow, and if the kept text alone has the same pre-tokens. Then the
kept text's tokens are the first ones of the whole text, whatever its rest will be.

Whether a border is safe is not derived from the rule of a family but tried out: the end of the text is encoded with one
continuation of every class of characters that such rules tell apart. What follows from it:

* Our own tokenizer never merges a line break, so a caret right behind one cuts nothing. Families that merge it with
  what is next to it (GPT-2: with all whitespace; Qwen and Llama 3: also with punctuation before it) cut it as well.
* The kept text stays the same while the user types along a pre-token, and only grows when one is complete.
* "\\r" is never parted from a "\\n" that follows it or may be typed next.
* At most MAX_CUT bytes are cut, so at most as many tokens. A run without a safe border that is longer is parted every
  MAX_CUT bytes: the border, no longer safe, moves once in MAX_CUT bytes.

Only the last WINDOW to 2 * WINDOW characters are looked at. Cost: about 0.1 ms, at most 0.25 ms.

A vocabulary that is not split before merging (SentencePiece, as CodeLlama has it) has no such borders. There a rule
takes their place: the trailing run of word characters or of punctuation is cut, and the blanks before it.
"""

import re

from midspan.prompt.tokenizer import Tokenizer

MAX_CUT = 64
"""Most bytes of UTF-8 that are cut."""
WINDOW = 64
TRIED_PRE_TOKENS = 4
"""Pre-tokens at the end that a continuation may change; the rules in use change the last two at most."""
CONTINUATIONS = ("s", "l", "e", "1", ".", "=", " ", "\n", "\u0301", "語")
"""One for each class of characters; the letters are those that make "'s", "'ll", "'re" and "'ve" whole."""
SPLIT_ANYWHERE = "a b"
LAST_RUN = re.compile(r"[ \t]*(?:\w+|[^\w\s]+)?\Z")


def heal(prefix: str, tokenizer: Tokenizer) -> tuple[str, str]:
    """Split `prefix` into (kept, cut) with `kept + cut == prefix`, kept ending at the last safe border."""
    start = _window(prefix, tokenizer)
    tail = prefix[start:]
    if tokenizer.pre_token_borders(SPLIT_ANYWHERE):
        start += _last_safe_border(tokenizer, tail)
    else:
        start += next(LAST_RUN.finditer(tail)).start()
    start = _within_max_cut(prefix, start - _parts_line_break(prefix, start))
    return prefix[:start], prefix[start:]


def _window(prefix: str, tokenizer: Tokenizer) -> int:
    """Where to begin looking: behind the last letter or digit before whitespace, if the family parts these.

    If there is none, at a multiple of WINDOW, so that it seldom moves while the user types.
    """
    low = max(0, len(prefix) // WINDOW - 1) * WINDOW
    for at in range(len(prefix) - 1, low, -1):
        if prefix[at].isspace() and prefix[at - 1].isalnum() and tokenizer.pre_token_borders(prefix[at - 1 : at + 1]):
            return at
    return low


def _last_safe_border(tokenizer: Tokenizer, tail: str) -> int:
    """The last border in `tail` that holds whatever follows; 0 if only its start is one."""
    alone = tokenizer.pre_token_borders(tail)
    open_run = alone[-1] if alone else 0
    if len(tail[open_run:].encode()) > MAX_CUT:
        return open_run
    first = alone[-TRIED_PRE_TOKENS] if len(alone) > TRIED_PRE_TOKENS else 0
    end = tail[first:]
    safe = [border - first for border in alone if border > first] + [len(end)]
    for continuation in (*CONTINUATIONS, end[-1:]):
        borders = tokenizer.pre_token_borders(end + continuation)
        same = 0
        while same < min(len(safe), len(borders)) and safe[same] == borders[same]:
            same += 1
        del safe[same:]
    while safe and (_parts_line_break(end, safe[-1]) or tokenizer.pre_token_borders(end[: safe[-1]]) != safe[:-1]):
        safe.pop()
    return first + (safe[-1] if safe else 0)


def _parts_line_break(text: str, border: int) -> bool:
    return text[:border].endswith("\r") and text[border : border + 1] in ("", "\n")


def _within_max_cut(prefix: str, start: int) -> int:
    """`start`, moved on by runs of at most MAX_CUT bytes until no more than that is cut."""
    if len(prefix[start:].encode()) <= MAX_CUT:
        return start
    size = 0
    for at in range(start, len(prefix)):
        width = len(prefix[at].encode())
        if size + width > MAX_CUT:
            start, size = at, 0
        size += width
    return start + _parts_line_break(prefix, start)
