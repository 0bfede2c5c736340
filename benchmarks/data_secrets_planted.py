"""Made-up secrets and personal data, planted into real files in the syntax of their language; for `data_secrets.py`.

Values follow what providers document of their formats, or are drawn as people choose passwords and have names; nothing
here looks at the rules that are to find them. Of every table there are two: the rules were tuned on those of
`data_secrets_tuning`; figures are reported on those of `data_secrets_reporting`, whose values and forms were written
when the rules were done.
"""

import json
import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import parse

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
URLSAFE = ALNUM + "-_"
BASE64 = ALNUM + "+/"
BASE32 = string.ascii_uppercase + "234567"
Value = Callable[[random.Random], str]


@dataclass(frozen=True)
class Planted:
    """A value that must go, every line of it; `form` says how it stands in the file."""

    kind: str
    form: str
    value: str


@dataclass(frozen=True)
class Tables:
    """What one half is made of: makers of values by kind, forms by language and by kind, names of secrets."""

    values: Mapping[str, Mapping[str, Value]]
    assign: Mapping[str, Sequence[str]]
    text: Mapping[str, Mapping[str, str]]
    names: Mapping[str, Sequence[str]]


def chars(alphabet: str, count: int) -> Value:
    """A maker of random strings."""
    return lambda rng: "".join(rng.choices(alphabet, k=count))


def shape(*parts: str | tuple[str, int]) -> Value:
    """A maker of strings with fixed and random parts."""
    return lambda rng: "".join(part if isinstance(part, str) else chars(*part)(rng) for part in parts)


def words(text: str) -> list[str]:
    """The words of a string."""
    return text.split()


def ascii_letters(text: str) -> str:
    """A name as it stands in an address."""
    table = str.maketrans("áéíóúüöäåëñçšøł", "aeiouuoaaencsol")
    return "".join(letter for letter in text.lower().translate(table) if letter.isascii() and letter.isalpha())


def plant(text: str, language: str, rng: random.Random, tables: Tables) -> tuple[str, list[Planted]]:
    """The file with up to five planted values, and what was planted; none if the language has no place for them."""
    if language == "json":
        return _plant_json(text, rng, tables)
    places = _places(text, language)
    if not places:
        return text, []
    planted: list[Planted] = []
    insertions: list[tuple[int, str]] = []
    for _ in range(rng.randint(3, 5)):
        line, values = _line(language, rng, tables)
        insertions.append((rng.choice(places), line))
        planted += values
    for place, line in sorted(insertions, key=lambda each: -each[0]):
        text = f"{text[:place]}{line}\n{text[place:]}"
    return text, planted


def _plant_json(text: str, rng: random.Random, tables: Tables) -> tuple[str, list[Planted]]:
    if not text.lstrip().startswith("{") or not text.lstrip()[1:].lstrip().startswith('"'):
        return text, []
    planted, members = [], []
    for _ in range(4):
        kind, form, value = _value(rng, tables)
        name = {"email": "email", "ip_address": "host", "phone": "phone", "name": "author"}.get(kind)
        name = name or rng.choice(tables.names["password" if kind == "password" else "key"])
        planted.append(Planted(_reported(kind), f"JSON, {form}", value))
        members.append(f'  "{name}": {json.dumps(value, ensure_ascii=False)},\n')
    place = text.index("{") + 1
    return text[:place] + "\n" + "".join(members) + text[place:], planted


def _value(rng: random.Random, tables: Tables) -> tuple[str, str, str]:
    kinds = {"token": 22, "key": 16, "password": 22, "email": 12, "ip_address": 8, "phone": 6, "name": 14}
    kind = rng.choices(list(kinds), weights=list(kinds.values()))[0]
    form = rng.choice(list(tables.values[kind]))
    return kind, form, tables.values[kind][form](rng)


def _reported(kind: str) -> str:
    return "token" if kind == "key" else kind


def _line(language: str, rng: random.Random, tables: Tables) -> tuple[str, list[Planted]]:
    if rng.random() < 0.05:
        return _key_lines(language, rng)
    kind, form, value = _value(rng, tables)
    name = rng.choice(tables.names["password" if kind == "password" else "key"])
    if kind in ("token", "key", "password") and rng.random() < 0.55 and language in tables.assign:
        template = rng.choice(tables.assign[language])
        if kind == "token":
            name = rng.choice(["value", "x", "conf", name])
        expands = language == "bash" or "`" in template
        if not (expands and any(sign in value for sign in "!$`")):
            return template.format(n=name, v=value), [
                Planted(_reported(kind), f"{language}: {template}, {form}", value)
            ]
    forms = {**tables.text["secret"], **tables.text[kind]} if kind in ("key", "password") else tables.text[kind]
    where = rng.choice(list(forms))
    if "://" in forms[where] or "?" in forms[where]:
        value = "".join("-" if sign in "#?%/+=&" else sign for sign in value)
    line = forms[where].format(n=name, N=name.upper(), k=name.replace("_", "-").lower(), v=value)
    return _comment(language, line), [Planted(_reported(kind), f"{where}, {form}", value)]


def _private_key(rng: random.Random) -> tuple[str, list[str]]:
    kind = rng.choice(["RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED "])
    lines = [chars(BASE64, 64)(rng) for _ in range(rng.randint(3, 14))]
    return kind, [*lines, chars(BASE64, rng.randint(18, 60))(rng) + "="]


BLOCKS = {"html": ("<!-- ", " -->"), "css": ("/* ", " */"), "markdown": ("", "\n"), "json": ("", "")}


def _key_lines(language: str, rng: random.Random) -> tuple[str, list[Planted]]:
    kind, lines = _private_key(rng)
    begin, end = f"-----BEGIN {kind}PRIVATE KEY-----", f"-----END {kind}PRIVATE KEY-----"
    planted = [Planted("private_key", "PEM", "\n".join(lines))]
    if language in ("python", "javascript", "typescript", "ruby") and rng.random() < 0.7:
        if language == "python" and rng.random() < 0.5:
            return "KEY = '''" + "\n".join([begin, *lines, end]) + "'''", planted
        return ("" if language in ("python", "ruby") else "var ") + 'KEY = "' + r"\n".join(
            [begin, *lines, end]
        ) + '"', planted
    return "\n".join(_comment(language, line) for line in [begin, *lines, end]), planted


def _comment(language: str, line: str) -> str:
    known = LANGUAGES[language]
    if language in BLOCKS:
        before, after = BLOCKS[language]
        return f"{before}{line}{after}"
    if known.line_comment:
        return f"{known.line_comment} {line}"
    before, after = known.block_comment or ("", "")
    return f"{before} {line} {after}"


def _places(text: str, language: str) -> list[int]:
    """Offsets of lines at which a statement or comment may stand: before the root's children, and at the end."""
    if not text.isascii() or language not in LANGUAGES:
        return []
    if language == "markdown":
        return [len(text)] if text.endswith("\n") and text.count("```") % 2 == 0 else []
    root = parse(text.encode(), LANGUAGES[language]).root_node
    if root.has_error:
        return []
    children = root.named_children
    if language == "yaml":
        return [0] if text[:1].isalpha() else []
    if language == "toml":
        return [child.start_byte for child in children if child.type == "pair" and child.start_point[1] == 0] or (
            [0] if text[:1] == "[" else []
        )
    if language in ("go", "java", "kotlin", "scala", "csharp", "swift", "rust", "php", "c", "cpp"):
        children = children[-1:]
    return [child.start_byte for child in children[1:] or children if child.start_point[1] == 0]
