"""Tokens whose shape gives them away: the formats that providers publish for their keys.

Each entry is what the provider documents (prefix, alphabet, length) or, where it documents only the prefix, the
prefix and a length that no identifier has. Shapes without a prefix of their own are found by what they are assigned to
(`literals`).
"""

import re
from collections.abc import Iterator

from midspan.data.redact.finding import Finding, borders, entropy, scanner

_W = "[A-Za-z0-9]"
_U = "[A-Za-z0-9_-]"
_HEX = "[0-9a-f]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"

SHAPES = (
    # Clouds
    "(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA|A3T[A-Z0-9])[A-Z0-9]{16}",  # Amazon Web Services
    f"AIza{_U}{{35}}",  # Google API key
    f"GOCSPX-{_U}{{28}}",  # Google OAuth client
    rf"ya29\.{_U}{{30}}",
    f"LTAI{_W}{{16}}",  # Alibaba Cloud
    "AKID[A-Za-z0-9]{32}",  # Tencent Cloud
    f"AQVN{_U}{{35}}",  # Yandex Cloud
    rf"t1\.[A-Z0-9a-z_-]+={{0,2}}\.{_U}{{86}}",
    f"d(?:op|oo|or)_v1_{_HEX}{{64}}",  # DigitalOcean
    f"HRKU-{_U}{{36}}",  # Heroku
    r"FlyV1 fm[0-9]_[A-Za-z0-9+/=,_-]{40}|fo1_[A-Za-z0-9_-]{43}",  # Fly.io
    f"(?:nfp|nfc|nfo|nfb|nfu)_{_W}{{36}}",  # Netlify
    f"rnd_{_W}{{28}}",  # Render
    f"v1\\.0-{_HEX}{{24}}-{_HEX}{{146}}",  # Cloudflare origin CA
    f"sbp_{_HEX}{{40}}|sb_secret_{_U}{{31}}",  # Supabase
    "pscale_(?:tkn|pw|oauth)_[A-Za-z0-9=._-]{32}",  # PlanetScale
    f"napi_{_W}{{40}}",  # Neon
    f"dapi{_HEX}{{32}}",  # Databricks
    "oy2[a-z0-9]{43}",  # NuGet
    # Code hosting, packages, continuous integration
    f"gh[pousr]_{_W}{{36}}|github_pat_[A-Za-z0-9_]{{60}}",
    f"gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas|ffct)-{_U}{{20}}",
    f"GR1348941{_U}{{20}}",
    f"ATBB{_W}{{32}}|ATATT3{_U}{{100}}|ATCTT3{_U}{{100}}",  # Atlassian
    f"npm_{_W}{{36}}|pypi-AgE{_U}{{50}}|rubygems_{_HEX}{{48}}|cio{_W}{{32}}|CLOJARS_[a-z0-9]{{60}}",
    f"dckr_(?:pat|oat)_{_U}{{27}}",  # Docker
    f"AKCp{_W}{{60}}|cmVmdGtu{_W}{{56}}",  # Artifactory
    f"sq[upa]_{_HEX}{{40}}",  # SonarQube
    f"bkua_{_HEX}{{40}}|CCIPAT_{_W}{{22}}_{_HEX}{{40}}",  # Buildkite, CircleCI
    f"sgp_(?:{_HEX}{{16}}_|local_)?{_HEX}{{40}}",  # Sourcegraph
    f"pul-{_HEX}{{40}}",  # Pulumi
    r"hv[sbr]\.[A-Za-z0-9_-]{24}",  # Vault
    rf"dp\.(?:ct|pt|st|sa|scim|audit)\.(?:[a-z0-9_-]{{2,35}}\.)?{_W}{{40}}",  # Doppler
    rf"pat\.{_U}{{22}}\.{_HEX}{{24}}\.{_W}{{20}}",  # Harness
    "API-[A-Z0-9]{26}",  # Octopus Deploy
    f"pnu_{_W}{{36}}|pnb_{_W}{{36}}",  # Prefect
    "sha256~[A-Za-z0-9_-]{43}",  # OpenShift
    "AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
    r"ops_eyJ[A-Za-z0-9+/=_-]{100}",  # 1Password
    f"tskey-(?:auth|api|client|scim|webhook)-{_W}{{8,24}}-{_W}{{16}}",  # Tailscale
    # Models
    f"sk-(?:proj-|svcacct-|admin-|ant-(?:api|admin)[0-9]{{2}}-|or-v1-|None-)?{_U}{{32}}",
    f"hf_[A-Za-z]{{34}}|api_org_[A-Za-z]{{34}}|r8_{_W}{{37}}|gsk_{_W}{{52}}|pplx-{_W}{{48}}|xai-{_W}{{70}}",
    f"nvapi-{_U}{{60}}|csk-[a-z0-9]{{48}}|fw_{_W}{{24}}|rpa_{_W}{{40}}|tvly-{_U}{{28}}|pcsk_{_W}{{5,6}}_{_W}{{50}}",
    f"jina_{_HEX}{{32}}{_U}{{24}}|lsv2_(?:pt|sk)_{_HEX}{{32}}_{_HEX}{{10}}|fc-{_HEX}{{32}}|pa-{_U}{{43}}",
    f"sk_{_HEX}{{48}}",  # ElevenLabs
    # Messages
    r"xox[abeoprs]-[A-Za-z0-9-]{10}|xapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-z0-9]+|xoxe\.xox[bp]-[0-9]-[A-Za-z0-9]{100}",
    r"hooks\.slack\.com/(?:services|workflows)/T[A-Za-z0-9_]{6,12}/[AB][A-Za-z0-9_]{6,12}/[A-Za-z0-9_]{20}",
    r"discord(?:app)?\.com/api/webhooks/[0-9]{15,20}/[A-Za-z0-9_-]{60}",
    rf"SG\.{_U}{{22}}\.{_U}{{43}}|key-{_HEX}{{32}}|xkeysib-{_HEX}{{64}}-{_W}{{16}}",
    f"re_{_W}{{8}}_{_W}{{24}}|SK{_HEX}{{32}}",  # Resend, Twilio
    # Payments and shops
    f"(?:sk|rk)_(?:live|test)_{_W}{{24}}|whsec_{_W}{{32}}|rzp_(?:live|test)_{_W}{{14}}|FLWSECK(?:_TEST)?-{_W}{{32}}",
    f"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{{32}}|sq0atp-{_U}{{22}}|sq0csp-{_U}{{43}}|EAAA[A-Za-z0-9_-]{{60}}",
    rf"access_token\$(?:production|sandbox)\${_W}{{16}}\${_HEX}{{32}}|access-(?:sandbox|development|production)-{_UUID}",
    f"shippo_(?:live|test)_{_HEX}{{40}}|EZ[AT]K{_W}{{54}}|duffel_(?:test|live)_{_U}{{43}}",
    # Operations
    f"NRAK-[A-Z0-9]{{27}}|NRJS-{_HEX}{{19}}|NRI[IQ]-{_U}{{32}}|NRRA-{_HEX}{{42}}",  # New Relic
    f"glsa_{_W}{{32}}_[0-9a-fA-F]{{8}}|glc_[A-Za-z0-9+/]{{32}}|eyJrIjoi[A-Za-z0-9+/]{{60}}",  # Grafana
    f"sntry[us]_(?:{_HEX}{{64}}|eyJ[A-Za-z0-9+/=_-]{{80}})",  # Sentry
    r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}",  # Dynatrace
    f"(?:sdk|mob|api)-{_UUID}|pat-(?:na|eu)1-{_UUID}",  # LaunchDarkly, HubSpot
    f"phx_{_W}{{32}}|PMAK-{_HEX}{{24}}-{_HEX}{{34}}|rdme_[a-z0-9]{{70}}|ico-{_W}{{32}}",  # PostHog, Postman, ReadMe
    r"sk\.eyJ1[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{22}",  # Mapbox
    # Documents and design
    f"pat{_W}{{14}}\\.{_HEX}{{64}}|ntn_{_W}{{40}}|secret_{_W}{{43}}|lin_(?:api|oauth)_{_W}{{40}}",
    f"fig[dou]_{_U}{{40}}|CFPAT-{_U}{{43}}|tfp_{_U}{{44}}|sl\\.[A-Za-z0-9_-]{{130}}",
    "EAA[A-Z][A-Za-z0-9]{100}|AAAAAAAAAAAAAAAAAAAAA[A-Za-z0-9%]{40}",  # Meta, X
    # Signed tokens
    rf"eyJ{_U}{{10,}}\.eyJ{_U}{{10,}}\.{_U}{{10,}}",  # JWT
)

TAILS = (
    # What is found first, what must stand before it: a scan for shapes that begin with many ordinary letters is slow.
    (r"Q~[A-Za-z0-9_~.-]{31}", r"[A-Za-z0-9_~.]{3}[0-9]"),  # Microsoft Entra client secret
    (rf"\.atlasv1\.{_U}{{60}}", rf"{_W}{{14}}"),  # Terraform Cloud
    (r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}", r"[MNO][A-Za-z0-9_-]{23,27}"),  # Discord bot
    (r":A[A-Za-z0-9_-]{34}", r"[0-9]{8,10}"),  # Telegram bot
    (r"-us[0-9]{1,2}\b", rf"{_HEX}{{32}}"),  # Mailchimp
)
LEAST_ENTROPY = 2.5
LONGEST_HEAD = 32

_SCAN = scanner("|".join([*SHAPES, *(tail for tail, _ in TAILS)]))
_HEADS = [(re.compile(tail.encode()), re.compile(rb"(?:%b)\Z" % head.encode())) for tail, head in TAILS]
_REST = re.compile(rb"[A-Za-z0-9_-]*")
_NO_TOKEN = re.compile(rb"(?i)example|x{6}|\*{4}|0{8}|1234567890abcdef|placeholder")


def find(data: bytes) -> Iterator[Finding]:
    """Tokens of known shape; obvious examples (`AKIAIOSFODNN7EXAMPLE`, runs of `x`) are none."""
    for match in _SCAN.finditer(data):
        start = _start(data, match.start())
        rest = _REST.match(data, match.end())
        end = rest.end() if rest else match.end()
        value = data[start:end]
        if value and borders(data, start, end) and entropy(value) > LEAST_ENTROPY and not _NO_TOKEN.search(value):
            yield Finding(start, end, "token")


def _start(data: bytes, position: int) -> int:
    """Where the token at a place of the scan begins; behind the file's end if what stands there is only a tail."""
    for tail, head in _HEADS:
        if tail.match(data, position):
            before = data[max(0, position - LONGEST_HEAD) : position]
            found = head.search(before)
            return position - len(before) + found.start() if found else len(data)
    return position
