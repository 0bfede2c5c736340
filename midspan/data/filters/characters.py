"""Signals of the characters of a text: what kinds there are, and how much of it is encoded data.

Cost: five passes in C over the bytes, about 150 MB/s; characters beyond ASCII are looked at once per distinct one.
"""

from collections import Counter
from dataclasses import dataclass

import re2

_ASCII = bytes(range(128))


def _all_but(wanted: str) -> bytes:
    return bytes(code for code in range(256) if chr(code) not in wanted or code > 127)


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOT_LETTERS = _all_but(_LETTERS)
_NOT_DIGITS = _all_but("0123456789")
_NOT_SPACE = _all_but("\t\n\v\f\r\x1c\x1d\x1e\x1f ")

# The three expressions are StarCoder 2's (arXiv 2402.19173, section 3.1): base64, hexadecimal, unicode escapes.
_ENCODED = re2.compile(
    rb"[a-zA-Z0-9+/\n=]{64,}|(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}|(?:\\u[0-9a-fA-F]{4}){8,}"
)


def share(part: float, whole: float) -> float:
    """`part / whole` to six places, 0 of nothing."""
    return round(part / whole, 6) if whole else 0.0


@dataclass(frozen=True)
class Characters:
    """Shares of all characters, or where it says visible, of those that are not white space."""

    characters: int
    alphabetic_share: float
    visible_alphabetic_share: float
    alphanumeric_share: float
    visible_digit_share: float
    whitespace_share: float
    replacement_share: float
    encoded_share: float
    longest_encoded: int


def characters(text: str, data: bytes) -> Characters:
    """Measure a text; `data` is the same as UTF-8. Letters, digits and white space are Unicode's."""
    count = len(text)
    letters = len(data.translate(None, _NOT_LETTERS))
    digits = len(data.translate(None, _NOT_DIGITS))
    alphanumeric = letters + digits
    space = len(data.translate(None, _NOT_SPACE))
    if len(data) != count:
        for character, times in Counter(data.translate(None, _ASCII).decode()).items():
            letters += times * character.isalpha()
            digits += times * character.isdigit()
            alphanumeric += times * character.isalnum()
            space += times * character.isspace()
    # All that these expressions match is ASCII, so their bytes are characters.
    encoded = [match.end() - match.start() for match in _ENCODED.finditer(data)]
    return Characters(
        characters=count,
        alphabetic_share=share(letters, count),
        visible_alphabetic_share=share(letters, count - space),
        alphanumeric_share=share(alphanumeric, count),
        visible_digit_share=share(digits, count - space),
        whitespace_share=share(space, count),
        replacement_share=share(text.count("\ufffd"), count),
        encoded_share=share(sum(encoded), count),
        longest_encoded=max(encoded, default=0),
    )
