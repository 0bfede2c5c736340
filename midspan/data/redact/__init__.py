"""Personal data and secrets, replaced by typed placeholders; the same value gets the same placeholder within a file.

Kinds (BigCode's, arXiv 2305.06161, section 4): e-mail addresses, public IP addresses, private keys, tokens of known
shape, literals assigned to names such as `password`. A placeholder is a plain identifier (`REDACTED_EMAIL_1`), so that
code, markup and data formats still parse wherever it lands, and it keeps line breaks, quotes and escapes as they are.
Kept: private and reserved addresses, public name servers, addresses at example domains, version numbers that look like
addresses, and values that are no secret (`password = "changeme"`-like words, templates, names of variables).

Cost: a cheap substring or RE2 scan per kind decides whether a file needs the careful pass; 200 to 600 MB/s on one core.
"""

import ipaddress
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import re2

PLACEHOLDER = "REDACTED_"
SMALL_NUMBER = 32
"""Four numbers below this are read as a version, a section or an object identifier, not as an address."""

_EMAIL = re2.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,63})@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+[A-Za-z]{2,}\b")
_TOP_LEVEL = frozenset(
    {
        "com",
        "org",
        "net",
        "edu",
        "gov",
        "mil",
        "int",
        "info",
        "biz",
        "dev",
        "app",
        "xyz",
        "name",
        "pro",
        "online",
        "tech",
        "cloud",
    }
)
"""Top-level domains of more than two letters that count as such; of two letters, all."""
_EXAMPLE_DOMAINS = ("example.com", "example.org", "example.net", "example.edu", "users.noreply.github.com")

_IPV4 = re2.compile(r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b")
_IPV6 = re2.compile(r"\b(?:[0-9A-Fa-f]{1,4}:){3,7}(?::?[0-9A-Fa-f]{1,4}){1,4}\b")
_NAME_SERVERS = frozenset(
    {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "149.112.112.112", "208.67.222.222", "208.67.220.220"}
    | {"2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111", "2606:4700:4700::1001"}
)

_TOKEN = re2.compile(
    r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36,255}\b|\bgithub_pat_[A-Za-z0-9_]{22,255}\b|\bglpat-[A-Za-z0-9_-]{20,}"
    r"|\bxox[abeoprs]-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]+"
    r"|\bAIza[A-Za-z0-9_-]{35}|\bGOCSPX-[A-Za-z0-9_-]{28}|\bya29\.[A-Za-z0-9_-]{30,}"
    r"|\b[sr]k_(?:live|test)_[A-Za-z0-9]{24,}|\bhf_[A-Za-z]{34}\b|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-AgE[A-Za-z0-9_-]{50,}"
    r"|\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{40,}|\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
)
_ASSIGNED = re2.compile(
    r"""(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|pwd|secret|api_?key|access_?key|auth_?key|token)[a-z0-9_]*["']?"""
    r"""\s{0,4}(?::=|=>|[:=])\s{0,4}[bru]{0,2})(?:"([^"\s\\]{6,256})"|'([^'\s\\]{6,256})')"""
)
_URL_PASSWORD = re2.compile(r"""(://[^\s:/@'"\\]{0,64}:)([^\s:/@'"\\]{3,128})(@)""")
_PASSWORD_NAME = re2.compile(r"(?i)password|passwd|passphrase|pwd")
_NO_SECRET = re2.compile(
    r"(?i)pass|pwd|secret|token|key|example|sample|dummy|fake|test|your|change|default|none|null|true|false|xxx|\*\*\*"
    r"|\.\.\.|[{}<>$%()\[\]]|://|REDACTED_"
)

_KEY_BLOCK = re2.compile(
    r"(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)(.*?)(-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)"
)
_KEY_BODY = re2.compile(r"\\[A-Za-z]|[A-Za-z0-9+/=]{16,}")


@dataclass
class _Replacements:
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def placeholder(self, kind: str, value: str) -> str:
        self.counts[kind] += 1
        same_kind = sum(1 for known, _ in self.numbers if known == kind)
        number = self.numbers.setdefault((kind, value), same_kind + 1)
        return f"{PLACEHOLDER}{kind.upper()}_{number}"


class Redacted(NamedTuple):
    """A text without secrets and personal data, and how many replacements of each kind it took."""

    text: str
    counts: dict[str, int]


def redact(text: str) -> Redacted:
    """The text without personal data and secrets, and the number of replacements by kind.

    The number of lines stays, and redacting twice changes nothing more. Kinds: `private_key`, `token`, `password`,
    `email`, `ip_address`.
    """
    found = _Replacements()
    if "PRIVATE KEY" in text:
        text = _KEY_BLOCK.sub(lambda match: _key_block(match, found), text)
    if _TOKEN.search(text):
        text = _TOKEN.sub(lambda match: found.placeholder("token", match.group()), text)
    if _ASSIGNED.search(text):
        text = _ASSIGNED.sub(lambda match: _assigned(match, found), text)
    if "://" in text and _URL_PASSWORD.search(text):
        text = _URL_PASSWORD.sub(lambda match: _url_password(match, found), text)
    if "@" in text and _EMAIL.search(text):
        text = _EMAIL.sub(lambda match, whole=text: _email(match, whole, found), text)
    for pattern in (_IPV4, _IPV6):
        if pattern.search(text):
            text = pattern.sub(lambda match, whole=text: _address(match, whole, found), text)
    return Redacted(text, dict(found.counts))


def _key_block(match: Any, found: _Replacements) -> str:
    def body(part: Any) -> str:
        run = str(part.group())
        return run if run.startswith("\\") or run.isalpha() else found.placeholder("private_key", run)

    return f"{match.group(1)}{_KEY_BODY.sub(body, match.group(2))}{match.group(3)}"


def _assigned(match: Any, found: _Replacements) -> str:
    before, double, single = match.group(1), match.group(2), match.group(3)
    value, quote = (double, '"') if double is not None else (single, "'")
    named_password = _PASSWORD_NAME.search(before) is not None
    if _NO_SECRET.search(value) or not (_mixed(value) if named_password else _random(value)):
        return str(match.group())
    kind = "password" if named_password else "token"
    return f"{before}{quote}{found.placeholder(kind, value)}{quote}"


def _url_password(match: Any, found: _Replacements) -> str:
    before, value, after = match.group(1), match.group(2), match.group(3)
    if _NO_SECRET.search(value):
        return str(match.group())
    return f"{before}{found.placeholder('password', value)}{after}"


def _mixed(value: str) -> bool:
    """Whether a value looks chosen as a password: letters with digits or signs, not a dotted or dashed name."""
    return not value.replace("_", "").replace("-", "").replace(".", "").isalpha() and not value.isdigit()


def _random(value: str) -> bool:
    """Whether a value looks drawn at random: long, with digits and letters, over 3 bits of entropy per character."""
    if len(value) < 16 or value.isalpha() or not any(character.isdigit() for character in value):
        return False
    counts = Counter(value)
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return entropy > 3.0


def _email(match: Any, text: str, found: _Replacements) -> str:
    start, end = match.span()
    # After a backslash the first letter belongs to an escape such as \n.
    escape, address = ("", match.group()) if text[start - 1 : start] != "\\" else (match.group()[0], match.group()[1:])
    local, _, domain = address.rpartition("@")
    top_level = domain.rpartition(".")[2]
    if (
        not local
        or local == "git"
        or local.startswith(PLACEHOLDER)
        or text[end : end + 1] in ("(", "[")
        or top_level not in (top_level.lower(), top_level.upper())
        or (len(top_level) > 2 and top_level.lower() not in _TOP_LEVEL)
        or domain.lower().endswith(_EXAMPLE_DOMAINS)
    ):
        return str(match.group())
    return escape + found.placeholder("email", address)


def _address(match: Any, text: str, found: _Replacements) -> str:
    value = str(match.group())
    start, end = match.start(), match.end()
    line = text[text.rfind("\n", 0, start) + 1 : start]
    after = text[end : end + 2]
    if (
        value in _NAME_SERVERS
        or "version" in line.lower()
        or line.endswith((".", "-", "==", ">=", "<=", "~=", "v", ":"))
    ):
        return value
    if after[:1] in (".", "-") and after[1:].isalnum():
        return value
    if "." in value and all(int(number) < SMALL_NUMBER for number in value.split(".")):
        return value
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return value
    return found.placeholder("ip_address", value) if address.is_global else value
