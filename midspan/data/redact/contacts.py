"""Phone numbers and names of people, where the text says that they are such.

A phone number is international (`+49 30 1234567`), or stands on a line that speaks of a phone. A name stands in a field
for authors: `@author`, `__author__`, `"author":`, copyright lines, trailers of commits, before an e-mail address.
Names of companies, projects and groups stay.
"""

import re
from collections.abc import Iterator

from midspan.data.redact.finding import Finding, scanner, words

NEAR = 200
"""Bytes around a field `name` in which another word must say that it is a person's."""

_INTERNATIONAL = re.compile(rb"\+[1-9](?:[ .()/-]{0,3}[0-9]){7,14}(?![0-9A-Za-z_])")
_NATIONAL = re.compile(rb"\(?[0-9]{2,5}\)?(?:[ ./-]{1,2}[0-9]{2,8}){1,5}(?![0-9A-Za-z_])")
_OPERANDS = (b"_", b".", b"-", b"+", b")", b"]")
_DECIMAL = re.compile(rb"\+[0-9]+\.[0-9]+")
_ABOUT_PHONES = re.compile(rb"(?i)phone|\btel\b|mobile|\bfax\b|\bcell\b|whats.?app|\bcall\b|\bsms\b|\bdial")
_FICTION = re.compile(rb"555.?01[0-9]{2}\Z|(?:123.?456|000.?000|555.?5555|1234.?567)")

_FIELD = (
    r"[@\\]authors?\b[ \t:{]{0,4}|__(?:author|maintainer|credits)__[ \t]?=[ \t]?[\[(]?[\"']"
    r"|\b(?:authors?|maintainers?|creator|contributors?|publisher|owner)(?:\(s\))?"
    r"[\"']?\]?[ \t]{0,4}[:=]>?[ \t]{0,4}[\[({]{0,2}[\"']?"
    r"|<(?:authors?|developer|creator|maintainer)>[ \t]*"
    r"|\b(?:written|created|contributed|developed|ported)[ \t]by:?[ \t]+"
    r"|\bcopyright[ \t:]+(?:\(c\)|\xc2\xa9)?[ \t]*|\(c\)[ \t]+(?:copyright[ \t]+)?|\xc2\xa9[ \t]*"
    r"|[a-z]+-by:[ \t]+|\bcc:[ \t]+"
)
_NAME_FIELD = r"(?:<[nN]ame>|[nN]ame[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"'])"
"""Of anything: it counts beside a word for people."""
_SCAN = scanner(
    rf"(?i:{_FIELD})[0-9]{{0,4}}[0-9, \t(c)-]{{0,24}}(?i:by[ \t]+)?[A-Za-z\x80-\xff]"
    rf"|{_NAME_FIELD}[A-Z\x80-\xff][^\s\"'()/<>]{{1,20}} (?:[a-z]{{2,3}} ){{0,2}}[A-Z\x80-\xff]"
    r"|[A-Za-z\x80-\xff.'-] <[A-Za-z0-9_.+-]{1,64}@"
    r"|\+[1-9][0-9]{0,2}[ .()/-]{0,3}[0-9]"
    r"|\(?\b[0-9]{3}\)?[ .-]{1,2}[0-9]{3}[ .-][0-9]{4}\b"
    r"|(?i:\b(?:phone|telephone|tel|mobile|fax|cell|call)(?:[ _-]?(?:number|no|nr))?"
    r"[\"']?(?:[ \t]{0,4}[:=.]{1,2}[ \t]{0,4}|[ \t])[\"']?[(+0-9])"
)
_DIGIT = re.compile(rb"[(+0-9]")
_START = re.compile(rf"(?P<field>(?i:{_FIELD})|{_NAME_FIELD})(?:[0-9(][0-9, \t(c)-]*)?(?i:by[ \t]+)?".encode("latin-1"))
_PERSON = re.compile(
    rb"(?:(?:[A-Z]\.)+|[A-Z\x80-\xff][\w\x80-\xff'-]+)"
    rb"(?:[ \t]+(?:(?:van|von|de|der|den|du|da|di|del|la|le|bin|al|ter|zu)[ \t]+){0,2}"
    rb"(?:(?:[A-Z]\.)+|[A-Z\x80-\xff][\w\x80-\xff'-]*)){1,3}"
)
_ABOUT_PEOPLE = re.compile(rb"(?i)author|e-?mail|maintainer|contributor|developer")
_HANDLE = re.compile(rb"[A-Za-z][A-Za-z0-9_-]{2,30}(?=[\"'\s<,;}]|\Z)")
_BEFORE_ADDRESS = re.compile(_PERSON.pattern + rb"\Z")
_AND = re.compile(rb"[ \t]*(?:,|;|&|\band\b|[\"'],[ \t]*[\"'])[ \t]*(?:[0-9]{4}[0-9, \t-]*)?")
_MAIL = re.compile(rb"[ \t]*[<(][^>)\n]{3,80}[>)]")
_GROUPS = words(
    "inc inc. llc ltd ltd. limited gmbh corp corp. corporation company co co. foundation project projects team teams"
    " authors author contributors developers community university institute laboratory laboratories labs lab google"
    " microsoft facebook meta apple amazon ibm intel nvidia oracle red hat mozilla software systems technologies"
    " technology group association consortium organization organisation committee regents department research the open"
    " source free python apache linux gnu jquery node all rights reserved maintainers members others license licence"
    " copyright see and for by notice holder holders owner owners year name your this that these developer core"
    " networks network solutions services studio studios media digital international global data cloud engine"
    " framework library tools platform center centre national federal state government agency bank press society"
    " version file files module package api server client test tests date first last full user default unknown none"
    " code visual android java script web app application company's enterprises ventures holdings partners ag sa bv"
    " srl spa oy ab as plc pty kg nv commission council micro devices ai board college school academy hugging"
    " face qt unicode"
)


def find(data: bytes) -> Iterator[Finding]:
    """Phone numbers and names."""
    for match in _SCAN.finditer(data):
        yield from _phone(data, match.start(), match.end())
        yield from _names(data, match.start(), match.end())


def _phone(data: bytes, start: int, end: int) -> Iterator[Finding]:
    line_start = data.rfind(b"\n", 0, start) + 1
    if data[start : start + 1].isalpha():
        digit = _DIGIT.search(data, start, end)
        start = digit.start() if digit else start
    international = _INTERNATIONAL.match(data, start)
    match = international or _NATIONAL.match(data, start)
    if not match:
        return
    value, before = match.group(), data[start - 1 : start] if start else b""
    digits = re.sub(rb"[^0-9]", b"", value)
    separated = re.search(rb"[ ().-]", value[1:]) is not None
    if before.isalnum() or before in _OPERANDS or _FICTION.search(value) or len(set(digits)) < 3:
        return
    stop = data.find(b"\n", match.end())
    about = _ABOUT_PHONES.search(data, line_start, stop if stop >= 0 else len(data)) is not None
    stands_out = international and separated and len(digits) >= 10 and not _DECIMAL.fullmatch(value)
    if not 7 <= len(digits) <= 15 or not (about or stands_out):
        return
    if not international and not separated:
        return
    yield Finding(match.start(), match.end(), "phone")


def _names(data: bytes, start: int, end: int) -> Iterator[Finding]:
    line_end = data.find(b"\n", start)
    line_end = line_end if line_end >= 0 else len(data)
    if data[end - 1 : end] == b"@":
        bracket = data.rfind(b" <", start, end)
        line_start = data.rfind(b"\n", 0, start) + 1
        person = _BEFORE_ADDRESS.search(data[max(line_start, bracket - 64) : bracket])
        if person and _is_person(person.group()):
            yield Finding(bracket - len(person.group()), bracket, "name")
        return
    begun = _START.match(data, start, line_end)
    if not begun:
        return
    field, position = begun.group("field").lower(), begun.end()
    if field.lstrip(b"<").startswith(b"name") and not _ABOUT_PEOPLE.search(data, max(0, start - NEAR), position + NEAR):
        return
    while position < line_end:
        person = _PERSON.match(data, position, line_end)
        if person and _is_person(person.group()):
            value = person.group().rstrip(b".,-'")
            yield Finding(position, position + len(value), "name")
            position += len(value)
        elif person is None and field.startswith((b"@author", b"__author__")):
            handle = _HANDLE.match(data, position, line_end)
            if handle and handle.group().lower() not in _GROUPS:
                yield Finding(position, handle.end(), "name")
            return
        else:
            return
        mail = _MAIL.match(data, position, line_end)
        position = mail.end() if mail else position
        more = _AND.match(data, position, line_end)
        if not more:
            return
        position = more.end()


def _is_person(value: bytes) -> bool:
    if any(word.isupper() and word.isalpha() and len(word) > 1 for word in value.split()) and not value.isupper():
        return False
    return not any(word.strip(b".") in _GROUPS for word in value.lower().split())
