"""Passwords and keys that only their place gives away: what is assigned to `password`, `API_KEY`, `--token`.

One scan finds words for secrets followed by a value; each place is then taken apart: the whole name, what stands
between name and value, the value with its quotes. Understood are assignments, keyword arguments, fields and defaults of
most languages, `.env`, YAML, INI, JSON, XML, Dockerfiles, connection strings, command lines, SQL, `Authorization`
headers and passwords in URLs. What the value must look like is in `looks`.
"""

import re
from collections.abc import Iterator

from midspan.data.redact.finding import Finding, scanner, words
from midspan.data.redact.looks import is_jumble, is_key, is_password

PASSWORDS = words("password passwd passwort passphrase passcode pass pwd pw psw identified")
SECRETS = words(
    "secret secrets token tokens credential credentials authorization auth bearer salt hmac signature jwt pepper nonce"
    " sas sig"
)
KEY_OF = words(
    "api access secret auth private account shared master signing sign encryption crypto session client license app"
    " application service storage consumer deploy write ingest rest server admin hmac jwt cipher aes subscription"
)
"""What makes a key a secret; behind any other word a value must be beyond doubt."""
NOT_SECRETS = words(
    "url uri path file filename dir directory name names type field fields header headers label class regex pattern"
    " prefix suffix length len size count format policy error message msg placeholder env var variable param parameter"
    " hint help title text description prompt id ids index column table endpoint scope expiry expires expiration ttl"
    " public algorithm alg method mode version changed required invalid missing mismatch strength rules rule test"
    " confirmation input element selector color colour icon style kind status state view page form dialog hash"
)
"""As the last word of a name these say that the value is about a secret and not one."""
LONGEST_NAME = 48
LONGEST_INDENT = 200
BARE_KEY = 24
"""Characters that a value needs behind a mere `key`."""

_WORD = (
    r"(?:pass(?:word|wd|wort|phrase|code)?|pwd|secret|token|[a-z_-]key|credential|authorization|bearer|signature|hmac"
    r"|identified|\b(?:pw|psw|salt|key|nonce|auth|sas|sig|jwt))"
)
_PASSWORD = r"(?:pass(?:word|wd|phrase)?|pwd|identified)[A-Za-z0-9_.-]{0,32}"
_CLOSE = r"""(?:\[[0-9]{0,4}\])?\\?["'`\])]{0,3}"""
_TYPE = r""":[ \t]?[&A-Za-z_][A-Za-z0-9_.:<>\[\]?|& ]{0,32}[ \t]?="""
_BETWEEN = (
    r"(?:[ \t]{0,4}=[ \t]{0,4}[A-Za-z0-9_.]{1,40}(?:\([\"'][A-Za-z0-9_]{1,40}[\"']\))?[ \t]{0,4}"
    r"(?:\|\||\?\?|\?:|or\b)[ \t]{0,4}"  # os.getenv("NAME") or "value"
    r"|[ \t]{0,4}=[ \t]{0,4}\([\"'][A-Za-z0-9_@.-]{1,32}[\"'],[ \t]{0,4}"  # ("user", "value")
    r"|,[ \t]{0,4}(?:[a-z_]{1,16}=[^\s,]{1,20},[ \t]{0,4})?default[ \t]?=[ \t]?"
    r"|,?\s{1,40}[\"']?value[\"']?[ \t]?[:=][ \t]{0,4}"  # name: NAME, value: ...
    r"|[ \t]FOR[ \t][^\s=]{1,40}[ \t]?=[ \t]?"
    rf"|[ \t]{{0,8}}(?:{_TYPE}|[:=!|]{{0,2}}=>?|:-?|,|\(|\|\|)[ \t]{{0,8}}"
    r"|[ \t]{1,4}(?:(?:BY|is|to)[ \t]{1,4})?|>)"
)
_CALL = r"(?:(?:[A-Za-z_&][A-Za-z0-9_:.]{0,24}!?)?\()?"
_PREFIX = r"(?:rb|br|b|r|u|f|@|L|&)?"
"""What may stand before the quotes of a literal."""
_SCHEME = r"(?:(?:basic|bearer|token|apikey|key|bot|digest)[ \t]+)?"
_VALUE = r"[^\s\"'`(){}<>\[\],;]"
_MARK = r"[0-9!#$%^&*?+~@]"
"""What a value must have to be worth a look, unless a word for passwords stands before it."""

_SCAN = scanner(
    rf"(?i){_WORD}[A-Za-z0-9_.-]{{0,32}}{_CLOSE}{_BETWEEN}{_CALL}{_PREFIX}\\?[\"'`]{{0,3}}{_SCHEME}"
    rf"(?:{_VALUE}{{3,64}}{_MARK}|{_VALUE}{{0,2}}{_MARK}{_VALUE}{{3}})"
    rf"|{_PASSWORD}{_CLOSE}{_BETWEEN}\\?[\"'`]?[A-Za-z_-]{{3,40}}(?-i:[a-z][A-Z])"
    rf"|{_PASSWORD}[\"'\])]{{0,2}}[ \t]{{0,4}}[:=]{{1,2}}>?[ \t]{{0,4}}[\"'][A-Za-z_-]{{8}}"
    r"|://[^\s:/@'\"\\<>]{0,64}:[^\s/@'\"\\<>]{3,128}@"
    r"|://[A-Za-z0-9_-]{20,100}@"
    r"|(?:-u|--user)[ =]['\"]?[^\s:'\"]{1,32}:[^\s'\"]{4}"
    r"|sshpass[ ]-p[ ]?['\"]?[^\s'\"]{4}"
)
_PLACE = re.compile(
    (
        rf"(?i)(?P<name>{_WORD}[A-Za-z0-9_.-]{{0,32}}?)(?P<close>{_CLOSE})(?P<between>{_BETWEEN}){_CALL}"
        rf"""(?:{_PREFIX}(?P<quote>\\?(?:\"\"\"|{"'" * 3}|["'`])))?"""
        rf"(?P<scheme>{_SCHEME})(?=[^\s\"'`(){{}}<>\[\]]{{4}})"
    ).encode()
)
_NAME_BEFORE = re.compile(rb"[A-Za-z0-9_.$-]*\Z")
_NAME_WORDS = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_BARE = re.compile(rb"""[^\s"'`<>;&|\\(){}]{4,512}""")
_URL = re.compile(
    rb"""://(?:[^\s:/@'"\\<>]*:(?P<password>[^\s/@'"\\<>]{3,128})|(?P<token>[A-Za-z0-9_-]{20,100}))@"""
    rb"""|(?:-u|--user)[ =]['"]?[^\s:'"]{1,32}:(?P<user>[^\s'"]{4,128})"""
    rb"""|sshpass[ ]-p[ ]?['"]?(?P<option>[^\s'"]{4,128})"""
)
_CODE = re.compile(
    rb"[\[\]]|->|::|\?\.|^[@&*!][A-Za-z_][A-Za-z0-9_.]*$|^\.|^(?:self|this)\.|^[A-Za-z_]+(?:\.[A-Za-z_]+)+$"
)
_IN_ARGUMENTS = re.compile(rb"[(,]\s*\Z")
_WITHIN = re.compile(rb"[\w=:-]")
_USE = re.compile(rb"\s*[=(.\[,)]")
_SETTINGS = (b":", b"=", b":=", b"", b">", b"by", b"is", b"to")


def find(data: bytes) -> Iterator[Finding]:
    """Values of secrets."""
    for match in _SCAN.finditer(data):
        start = match.start()
        found = _URL.match(data, start)
        yield from _in_address(found) if found else _assigned(data, start)


def _in_address(match: "re.Match[bytes]") -> Iterator[Finding]:
    name = str(match.lastgroup)
    value = match.group(name)
    if is_key(value) if name == "token" else is_password(value) or is_key(value):
        yield Finding(*match.span(name), "token" if name == "token" else "password")


def _assigned(data: bytes, start: int) -> Iterator[Finding]:
    place = _PLACE.match(data, start)
    if place is None:
        return
    before = _NAME_BEFORE.search(data[max(0, start - LONGEST_NAME) : start])
    name = (before.group() if before else b"") + place.group("name")
    kind = _kind(name)
    if not kind:
        return
    position = place.end()
    quote = place.group("quote")
    end = _closing(data, position, quote) if quote else None
    quoted = end is not None
    if end is None:
        bare = _BARE.match(data, position)
        end = position + len(bare.group().rstrip(b",.:)]")) if bare else position
    value = data[position:end]
    if value.isdigit() and not quoted:  # a number, for all we know, and to be left one
        return
    if not quoted and not place.group("scheme") and not _stands_alone(data, name, place, value, end):
        return
    if b"(" in place.group("between") and place.group("between").rstrip().endswith(b","):
        kind = "password"
    if kind == "password":
        secret = is_password(value) or is_key(value)
    elif kind == "key":
        secret = len(value) >= BARE_KEY and is_key(value)
    else:
        secret = is_key(value) or bool(place.group("scheme") and len(value) >= 16 and is_jumble(value))
    if secret:
        yield Finding(position, end, "password" if kind == "password" else "token")


def _kind(name: bytes) -> str:
    """`password`, `token`, `key` (which alone says little), or "" for what is not the name of a secret."""
    parts = [word.lower() for word in _NAME_WORDS.findall(name.rstrip(b".").rpartition(b".")[2])]
    if not parts or parts[-1] in NOT_SECRETS:
        return ""
    if PASSWORDS & set(parts):
        return "password"
    if SECRETS & set(parts):
        return "token"
    if parts[-1] in (b"key", b"keys"):
        return "token" if KEY_OF & set(parts) else "key"
    for word in parts:
        if word.endswith(b"key") and word[:-3] in KEY_OF:
            return "token"
        if word.endswith((b"password", b"passwd", b"passphrase", b"pwd")):
            return "password"
        if word.endswith((b"token", b"secret")):
            return "token"
    return ""


def _closing(data: bytes, start: int, quote: bytes) -> int | None:
    """Where the literal that was opened with `quote` ends, on the same line; None if it does not."""
    stop = data.find(b"\n", start)
    stop = len(data) if stop < 0 else stop
    position = data.find(quote, start, stop)
    while position >= 0:
        before = data[start:position]
        if quote.startswith(b"\\") or (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return position
        position = data.find(quote, position + 1, stop)
    return None


def _stands_alone(data: bytes, name: bytes, place: "re.Match[bytes]", value: bytes, end: int) -> bool:
    """Whether a value without quotes is text and not code: what surrounds it is a setting's, and it names nothing."""
    between, close = place.group("between").strip(), place.group("close")
    after = data[end : end + 1]
    if between == b":-":  # ${NAME:-value}
        return after == b"}"
    if (between.lower() not in _SETTINGS and b"value" not in between) or (
        close and not (between == b":" and len(close) == 1) and between != b">"
    ):
        return False
    if after == b"}" and b"value" in between:
        after = b""
    if after not in (b"", b"\n", b"\r", b";", b"&", b'"', b"'", b"`", b" ", b"\\", b"<") or _CODE.search(value):
        return False
    if between == b">" and after != b"<":
        return False
    if between == b"" and name.lower() == b"pass":  # the verb
        return False
    if not value.replace(b"_", b"").isalnum():
        return True
    return not _is_used(data, value)


def _is_used(data: bytes, value: bytes) -> bool:
    """Whether a word stands somewhere as an argument, or is called, assigned or taken apart."""
    position = data.find(value)
    while position >= 0:
        end = position + len(value)
        before, after = data[max(0, position - LONGEST_INDENT) : position], data[end : end + 1]
        if _IN_ARGUMENTS.search(before) and not (after.isalnum() or after == b"_"):
            return True
        if not _WITHIN.match(before[-1:]) and _USE.match(data, end):
            return True
        position = data.find(value, end)
    return False
