"""How a value looks: chosen as a password, drawn at random for a key, or neither.

Measured by hand on real code: identifiers, file names and versions change between letters and digits seldom, random
strings at every second or third character.
"""

import re

from midspan.data.redact.finding import entropy, words

LONGEST_RUN = 3.4
"""Mean length of the runs of equal kind (capitals, a word, digits) up to which a string is a jumble."""
LEAST_ENTROPY = 2.9

MOST_WORDS = 0.4
"""Share of the letters and digits that may stand in words between dashes, dots and underscores."""
MIXED_CASE = 2.6
"""The same for letters alone."""

_HEXADECIMAL = re.compile(rb"(?:[0-9a-f]{24,}|[0-9A-F]{24,}|[A-Z2-7]{24,})")
_NAME_PART = re.compile(rb"(?<![A-Za-z0-9])[A-Za-z][a-z]+(?![A-Za-z0-9])")
_CONSONANTS = re.compile(rb"[bcdfghjklmnpqrstvwxz]{5}")
_RUNS = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SIGN = re.compile(rb"[!#$%^&*?+~@=]")
_TEMPLATE = re.compile(
    rb"[{}<>]|^\$[A-Za-z_]|\$\(|%[(sdr]|^%[A-Z_]+%$|\*{3}|\.{3}|://|\\[xu]|&[a-z]+;|^[a-z_]+[0-9]*=[\w.]*$"
)
_STATED = re.compile(
    rb"(?i)example|sample|dummy|change.?(?:me|this|it)|placeholder|replace|insert|redact|x{3}|your|default|undefined"
    rb"|enter|todo|fixme|lorem|0123456789|123456789|abcdef(?:g|12)|deadbeef|\bnull\b|\bnone\b|\bfake|not.?(?:a|so|very)"
)
_COMMON = words(
    "password passwd pass pwd pw secret secrets test testing admin root user username foo bar baz foobar token key api"
    " apikey string text hidden true false value my new old wrong bad good hello abc demo login guest public private"
    " null empty blank required optional sha md utf base oauth aes rsa hmac version field input label"
    " option step item index row col line page part group type id name auth client server access invalid some any the"
    " one two three first second third secretkey supersecret super"
)
_PLAIN_NUMBER = re.compile(
    rb"v?[0-9]+(?:[.:,/_-][0-9A-Za-z]{1,4}){0,6}|#[0-9A-Fa-f]{3,8}|0x[0-9A-Fa-f]+|[0-9.]+(?:px|em|rem|ms|s|%|kb|mb|k|m)?"
)
_FILE = re.compile(rb"[./~]*[\w.-]*(?:/[\w.@-]+)+/?|[\w-]+\.[a-z]{2,4}")
_KEY = re.compile(rb"[A-Za-z0-9+/=_.~:%,-]+")
_ROW = b"01234567890 09876543210 abcdefghijklmnopqrstuvwxyz qwertyuiop asdfghjkl zxcvbnm"


def is_password(value: bytes) -> bool:
    """Mixed characters or unpronounceable letters; no template, number, path, everyday word, or word for a secret."""
    if value.isdigit():
        return len(value) >= 6 and len(set(value)) > 3 and value not in _ROW
    if not 4 <= len(value) <= 128 or re.search(rb"\s", value) or not says_something(value):
        return False
    letters = re.findall(rb"[a-z]+", value.lower())
    if not letters:
        return False
    known = [word for word in letters if len(word) > 1]
    if known and all(word in _COMMON for word in known) and len(value) < 16:
        return False
    if _SIGN.search(value.strip(b"=?!*&@$")) or (_SIGN.search(value) and re.search(rb"[0-9]", value)):
        return True
    if re.search(rb"[0-9]", value):
        return not _FILE.fullmatch(value)
    runs = _RUNS.findall(value)
    return _unpronounceable(b"".join(letters)) or (len(value) >= 10 and len(value) / len(runs) <= MIXED_CASE)


def is_key(value: bytes) -> bool:
    """At least twelve characters of an alphabet for keys, letters and digits well mixed."""
    return (
        12 <= len(value) <= 4096
        and _KEY.fullmatch(value) is not None
        and says_something(value)
        and is_jumble(value)
        and not (b"/" in value and b"." in value)
    )


def is_jumble(value: bytes) -> bool:
    """Whether letters and digits are mixed as chance does and not as names do."""
    runs = _RUNS.findall(value)
    digits = any(run.isdigit() for run in runs)
    letters = any(not run.isdigit() for run in runs)
    if not letters or entropy(value) < LEAST_ENTROPY:
        return False
    if not digits and len(value) < 24:
        return False
    if _HEXADECIMAL.fullmatch(value) and digits:
        return True
    if sum(map(len, _NAME_PART.findall(value))) > MOST_WORDS * sum(map(len, runs)):
        return False
    strange = sum(run.isdigit() for run in runs) > 1 and _CONSONANTS.search(value.lower()) is not None
    return strange or sum(map(len, runs)) / len(runs) <= LONGEST_RUN


def says_something(value: bytes) -> bool:
    """Whether a value stands for itself: no template, no version or colour, nothing that says it is none."""
    return (
        not (_TEMPLATE.search(value) or _STATED.search(value) or _PLAIN_NUMBER.fullmatch(value)) and len(set(value)) > 2
    )


def _unpronounceable(letters: bytes) -> bool:
    """Whether letters alone are too strange for words: few vowels, or many consonants in a row."""
    if len(letters) < 8:
        return False
    vowels = len(re.findall(rb"[aeiouy]", letters)) / len(letters)
    return vowels < 0.15 or re.search(rb"[bcdfghjklmnpqrstvwxz]{6}", letters) is not None
