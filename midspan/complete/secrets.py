"""Secrets that a completion must not show, found with the standard library's `re` alone.

Only what is a secret beyond doubt: private keys, tokens whose shape their issuer made recognisable, passwords within
URLs, and long random literals assigned to a name such as `api_key`. The corpus is searched much more widely
(`midspan.data`), with packages that serving does not need. Cost: 5 µs for a line, 0.1 ms for 10 kB.
"""

import math
import re
from collections import Counter

MARK = "REDACTED_"
"""What the corpus holds in the place of secrets, and a model trained on it writes."""
MIN_ENTROPY = 3.0
"""Bits per character from which on a literal of 16 characters or more, with digits, looks drawn at random."""

_KNOWN = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY"
    r"|\b(?:A3T[A-Z0-9]|AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{22}|\bglpat-[A-Za-z0-9_-]{20}"
    r"|\bxox[abeoprs]-[A-Za-z0-9-]{10}|hooks\.slack\.com/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]+"
    r"|\bAIza[A-Za-z0-9_-]{35}|\bGOCSPX-[A-Za-z0-9_-]{28}|\bya29\.[A-Za-z0-9_-]{30}"
    r"|\b[sr]k_live_[A-Za-z0-9]{24}|\bhf_[A-Za-z]{34}\b|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-AgE[A-Za-z0-9_-]{50}"
    r"|\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{40}|\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10}"
)
_URL = re.compile(r"://[^\s:/@'\"\\]{1,64}:([^\s:/@'\"\\]{6,128})@")
_ASSIGNED = re.compile(
    r"(?:passw(?:or)?d|passphrase|pwd|secret|api_?key|access_?key|auth_?key|token)\w{0,32}[\"']?"
    r"\s{0,4}(?::=|=>|[:=])\s{0,4}[bru]{0,2}([\"'])([^\"'\s\\]{16,256})\1",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"pass|pwd|secret|token|key|example|sample|dummy|fake|test|your|change|default|xxx|\*\*\*|\.\.\.|[{}<>$%()\[\]]|://",
    re.IGNORECASE,
)


def contains_secret(text: str) -> bool:
    """Whether `text` holds a secret, or the mark of one that was taken out of the training data."""
    if MARK in text or _KNOWN.search(text):
        return True
    if any(not _NO_SECRET.search(match.group(1)) for match in _URL.finditer(text)):
        return True
    return any(_is_random(match.group(2)) for match in _ASSIGNED.finditer(text))


def _is_random(value: str) -> bool:
    if _NO_SECRET.search(value) or value.isalpha() or not any(map(str.isdigit, value)):
        return False
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares) > MIN_ENTROPY
