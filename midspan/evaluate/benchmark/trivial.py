"""Middles that measure nothing, each with its reason: whoever writes them well shows no skill, or nothing is right."""

import re

from midspan.fim.split import Split
from midspan.syntax.languages import Language
from midspan.syntax.stubs import is_stub
from midspan.syntax.words import keywords

MIN_VISIBLE = 3
NEAR_LINES = 12

_WORD = re.compile(r"[^\W\d]\w*")
_WORD_BEFORE = re.compile(r"\w*\Z")


def why_trivial(split: Split, language: Language) -> str:
    """The reason why the middle of a cut is trivial, "" if it is not:

    `no_word`: closing brackets, numbers, nothing; `short`: fewer than `MIN_VISIBLE` visible characters; `keyword`: one
    keyword of the grammar and no other word; `stub`: work left undone; `in_suffix`: the suffix goes on with the same
    text; `repeated`: its whole lines stand within `NEAR_LINES` lines before or behind.
    """
    middle = split.middle.strip()
    begun = _WORD_BEFORE.search(split.prefix[-100:])
    words = _WORD.findall((begun[0] if begun and split.middle[:1].strip() else "") + middle)
    if not words or not any(map(str.isalpha, middle)):
        return "no_word"
    if len("".join(middle.split())) < MIN_VISIBLE:
        return "short"
    if len(words) == 1 and words[0] in keywords(language):
        return "keyword"
    if is_stub(split.prefix, split.middle):
        return "stub"
    if split.suffix.lstrip().startswith(middle):
        return "in_suffix"
    return "repeated" if _is_repeated(split) else ""


def _is_repeated(split: Split) -> bool:
    before, _, begun = split.prefix.rpartition("\n")
    ending, _, behind = split.suffix.partition("\n")
    own = _visible_lines(begun + split.middle + ending)
    # Only so much of a long file can hold the lines that are looked at.
    reach = 200 * NEAR_LINES
    near = _visible_lines(before[-reach:])[-NEAR_LINES:], _visible_lines(behind[:reach])[:NEAR_LINES]
    return any(lines[at : at + len(own)] == own for lines in near for at in range(len(lines) - len(own) + 1))


def _visible_lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
