"""E-mail and IP addresses.

Kept: addresses at example domains and `git@`; networks, private, reserved and multicast addresses, public name servers,
and numbers that read as a version, a section or an object identifier.
"""

import ipaddress
import re
from collections.abc import Iterator

from midspan.data.redact.finding import Finding, scanner, words

SMALL_NUMBER = 32
"""Four numbers below this are read as a version, a section or an object identifier, not as an address."""
LONGEST_LOCAL = 64

_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd"
    " cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge"
    " gf gg gh gi gl gm gn gp gq gr gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki"
    " km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx"
    " my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr pt pw py qa re ro rs ru rw sa sb sc sd"
    " se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy"
    " uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
_GENERIC = (
    "com org net edu gov mil int info biz dev app xyz name pro online tech cloud site io ai me email coop museum aero"
    " jobs mobi travel cat asia club store blog page shop life live world today agency studio digital systems software"
    " solutions network group company team email science academy design works zone berlin london paris wiki"
)
TOP_LEVEL = words(f"{_COUNTRIES} {_GENERIC}")
EXAMPLE_DOMAINS = (b"example.com", b"example.org", b"example.net", b"example.edu", b"users.noreply.github.com")
NAME_SERVERS = words(
    "8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220 4.2.2.1 4.2.2.2 64.6.64.6"
    " 94.140.14.14 94.140.15.15 76.76.2.0 114.114.114.114 223.5.5.5 223.6.6.6 119.29.29.29 2001:4860:4860::8888"
    " 2001:4860:4860::8844 2606:4700:4700::1111 2606:4700:4700::1001 2620:fe::fe"
)

_SCAN = scanner(
    r"[A-Za-z0-9_+-]@"
    r"|[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"
    r"|[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2}"
)
_LOCAL = re.compile(rb"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,63})\Z")
_DOMAIN = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+([A-Za-z]{2,})(?![A-Za-z0-9_])")
_IPV4 = re.compile(rb"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z_])")
_IPV6 = re.compile(rb"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,36}(?![0-9A-Za-z_:.])")
_NO_ADDRESS_LINE = re.compile(rb"(?i)version|\boid|_oid|oid\b|oid_")
_NETWORK = re.compile(rb"/[0-9]{1,3}(?![0-9./])")
_IN_URL = re.compile(rb"://[^\s/@]{0,64}:\Z")
_NO_ADDRESS_BEFORE = (b".", b"-", b"==", b">=", b"<=", b"~=", b":", b"_")


def find(data: bytes) -> Iterator[Finding]:
    """Addresses of people and of public hosts."""
    for match in _SCAN.finditer(data):
        start, end = match.span()
        if data[start + 1 : start + 2] == b"@":
            found = _email(data, start + 1)
        elif data[end - 1 : end] in b"0123456789" and b"." in data[start:end]:
            found = _address(data, start, _IPV4)
        else:
            found = _address(data, start, _IPV6)
        if found:
            yield found


def _email(data: bytes, at: int) -> Finding | None:
    before = data[max(0, at - LONGEST_LOCAL) : at]
    local = _LOCAL.search(before)
    domain = _DOMAIN.match(data, at + 1)
    if not local or not domain or data[domain.end() : domain.end() + 1] in (b"(", b"["):
        return None
    start, name = at - len(local.group()), local.group()
    if start and data[start - 1 : start] == b"\\":  # the first letter belongs to an escape such as \n
        start, name = start + 1, name[1:]
    top_level = domain.group(1)
    written_alike = top_level in (top_level.lower(), top_level.upper())
    if not name or name in (b"git", b"hg") or not written_alike:
        return None
    if _IN_URL.search(data[max(0, start - LONGEST_LOCAL - 8) : start]):  # a password that says nothing, and its host
        return None
    if top_level.lower() not in TOP_LEVEL or domain.group().lower().endswith(EXAMPLE_DOMAINS):
        return None
    return Finding(start, domain.end(), "email")


def _address(data: bytes, position: int, pattern: re.Pattern[bytes]) -> Finding | None:
    start = position
    while start and position - start < 3 and data[start - 1 : start].isdigit():
        start -= 1
    match = pattern.match(data, start)
    if not match:
        return None
    value, end = match.group(), match.end()
    line = data[data.rfind(b"\n", 0, start) + 1 : start]
    escaped = line[-2:-1] == b"\\" and line[-1:] in b"nrt"
    after = data[end : end + 2]
    if not escaped and (line[-1:].isalnum() or line.endswith(_NO_ADDRESS_BEFORE)) and not line.endswith(b"://"):
        return None
    if (
        value in NAME_SERVERS
        or _NO_ADDRESS_LINE.search(line)
        or _NETWORK.match(data, end)
        or (after[:1] in (b".", b"-") and after[1:].isalnum())
    ):
        return None
    if b"." in value and all(int(number) < SMALL_NUMBER for number in value.split(b".")):
        return None
    try:
        address = ipaddress.ip_address(value.decode())
    except ValueError:
        return None
    return Finding(start, end, "ip_address") if address.is_global and not address.is_multicast else None
