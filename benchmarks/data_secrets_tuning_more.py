# ruff: noqa: E501
"""More of what the rules were tuned on, after a first blind run; see `data_secrets_planted`."""

import random
import string

from data_secrets_planted import (
    ALNUM,
    BASE32,
    BASE64,
    HEX,
    UPPER,
    URLSAFE,
    Tables,
    Value,
    ascii_letters,
    chars,
    shape,
    words,
)


def _uuid(rng: random.Random) -> str:
    return "-".join(chars(HEX, count)(rng) for count in (8, 4, 4, 4, 12))


TOKENS: dict[str, Value] = {
    "GitHub OAuth": shape("gho_", (ALNUM, 36)),
    "GitLab runner": shape("glrt-", (URLSAFE, 20)),
    "Slack user": shape(
        "xoxp-", (string.digits, 12), "-", (string.digits, 12), "-", (string.digits, 13), "-", (HEX, 32)
    ),
    "Slack app": shape("xapp-1-A", (UPPER, 10), "-", (string.digits, 13), "-", (HEX, 64)),
    "Google access": shape("ya29.a0", (URLSAFE, 160)),
    "Stripe webhook": shape("whsec_", (ALNUM, 32)),
    "OpenAI": shape("sk-", (ALNUM, 20), "T3BlbkFJ", (ALNUM, 20)),
    "OpenRouter": shape("sk-or-v1-", (HEX, 64)),
    "Perplexity": shape("pplx-", (ALNUM, 48)),
    "xAI": shape("xai-", (ALNUM, 80)),
    "Brevo": shape("xkeysib-", (HEX, 64), "-", (ALNUM, 16)),
    "Discord webhook": shape("https://discord.com/api/webhooks/", (string.digits, 18), "/", (URLSAFE, 68)),
    "PlanetScale": shape("pscale_tkn_", (URLSAFE, 43)),
    "Pulumi": shape("pul-", (HEX, 40)),
    "Tailscale": shape("tskey-auth-", (ALNUM, 11), "CNTRL-", (ALNUM, 32)),
    "Netlify": shape("nfp_", (ALNUM, 36)),
    "Sentry user": shape("sntryu_", (HEX, 64)),
    "Dynatrace": shape("dt0c01.", (UPPER, 24), ".", (UPPER, 64)),
    "LaunchDarkly": lambda rng: f"sdk-{_uuid(rng)}",
    "HubSpot": lambda rng: f"pat-na1-{_uuid(rng)}",
    "Notion": shape("ntn_", (ALNUM, 46)),
    "Contentful": shape("CFPAT-", (URLSAFE, 43)),
    "Dropbox": shape("sl.", (URLSAFE, 140)),
    "SonarQube": shape("squ_", (HEX, 40)),
    "Atlassian": shape("ATATT3xFfGF0", (URLSAFE, 176), "=", (string.hexdigits.upper(), 8)),
    "Supabase": shape("sbp_", (HEX, 40)),
    "NVIDIA": shape("nvapi-", (URLSAFE, 64)),
    "LangSmith": shape("lsv2_pt_", (HEX, 32), "_", (HEX, 10)),
    "age": shape("AGE-SECRET-KEY-1", ("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    "Bitbucket": shape("ATBB", (ALNUM, 32)),
}
KEYS: dict[str, Value] = {
    "hex 48, upper case": chars("0123456789ABCDEF", 48),
    "base64, 64 bytes": lambda rng: chars(BASE64, 86)(rng) + "==",
    "alphanumeric 28": chars(ALNUM, 28),
    "hex 56": chars(HEX, 56),
    "base32": chars(BASE32, 32),
    "url-safe 32": chars(URLSAFE, 32),
    "lower case 36": chars(string.ascii_lowercase + string.digits, 36),
    "alphanumeric 20": chars(ALNUM, 20),
    "with prefix": lambda rng: f"{rng.choice(['prod', 'live', 'app'])}_{chars(ALNUM, 30)(rng)}",
    "hex pairs": lambda rng: ":".join(chars(HEX, 2)(rng) for _ in range(16)),
}
WORDS = words(
    "tiger window planet bottle market candle jungle pirate wizard shadow cactus puzzle anchor button cherry donkey"
    " engine flower guitar helmet island jacket kitten lemon magnet needle oyster pencil rabbit sailor"
)


def _word(rng: random.Random) -> str:
    return rng.choice(WORDS)


PASSWORDS: dict[str, Value] = {
    "dotted words": lambda rng: f"{_word(rng)}.{_word(rng)}.{rng.randint(100, 999)}",
    "initials and year": lambda rng: (
        f"{chars(string.ascii_uppercase, 2)(rng)}@{rng.randint(1960, 2024)}{chars(ALNUM, 3)(rng)}"
    ),
    "three words": lambda rng: f"My{_word(rng).title()}{_word(rng).title()}{rng.randint(2, 99)}!",
    "keyboard": lambda rng: (
        "".join(a + b for a, b in zip("qwertz"[: rng.randint(4, 6)], chars("123456789", 6)(rng), strict=False)) + "%T"
    ),
    "generated 16": chars(ALNUM + "@#%^&*-_=+", 16),
    "generated 10": chars(ALNUM, 10),
    "snake": lambda rng: f"{_word(rng)}_{chars(ALNUM, 6)(rng)}",
    "number first": lambda rng: f"{rng.randint(100, 9999)}{_word(rng).title()}",
    "digits 8": lambda rng: str(rng.randint(20_354_879, 98_765_398)),
    "generated 24": chars(ALNUM, 24),
    "sign in the middle": lambda rng: (
        f"{_word(rng)}${_word(rng)}" if rng.random() < 0.3 else f"{_word(rng)}#{_word(rng)}"
    ),
}
FIRST = words(
    "Emma Noah Olga Rafael Ines Kenji Astrid Pavel Leila Hugo Marta Simon Anneke Gábor Siobhan Tariq Nina Stefan Camille"
    " Jakub Helena Omar Beatriz Lars Mei Søren Žofia Ahmed Carla Ivo"
)
LAST = words(
    "Andersson Papadopoulos Visser Horváth Murphy Khan Yamamoto Sokolov Lefebvre Mensah Nielsen Ricci Zimmermann Dvořák"
    " Almeida Wójcik Sharma Bergström Mansour Laurent Ferrari Jensen Lindgren Hoffmann Romero Orlova Watanabe Krüger"
)
DOMAINS = words(
    "gmail.com gmx.net ethz.ch datawerk.eu outlook.com yandex.ru icloud.com ntnu.no keio.jp brightpath.com.au"
)
MOBILE = (31, 48, 55, 61, 81, 91)


def _name(rng: random.Random) -> str:
    style = rng.random()
    if style < 0.1:
        return f"{rng.choice(string.ascii_uppercase)}. {rng.choice(LAST)}"
    if style < 0.2:
        return f"{rng.choice(FIRST)} van der {rng.choice(LAST)}"
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def _email(rng: random.Random) -> str:
    first, last = ascii_letters(rng.choice(FIRST)), ascii_letters(rng.choice(LAST))
    local = rng.choice([f"{last}.{first[0]}", f"{first}{rng.randint(70, 99)}", f"{first}-{last}", last])
    return f"{local}@{rng.choice(DOMAINS)}"


def _ipv4(rng: random.Random) -> str:
    return ".".join(str(part) for part in (rng.choice((5, 23, 45, 78, 88, 116, 151, 178, 201)), rng.randint(40, 200),
                                           rng.randint(0, 255), rng.randint(1, 254)))  # fmt: skip


def _ipv6(rng: random.Random) -> str:
    groups = ":".join(f"{rng.randint(16, 65535):x}" for _ in range(6))
    return f"{rng.choice(['2a00', '2a03', '2400', '2607'])}:{rng.randint(256, 65535):x}:{groups}"


PHONES: dict[str, Value] = {
    "spaces": lambda r: f"+{r.choice(MOBILE)} {r.randint(100, 999)} {r.randint(100, 999)} {r.randint(100, 999)}",
    "dashes": lambda r: f"+81-{r.randint(3, 9)}-{r.randint(1111, 9888)}-{r.randint(1111, 9888)}",
    "dots": lambda r: f"{r.randint(202, 989)}.{r.randint(220, 540)}.{r.randint(2000, 9999)}",
    "national": lambda r: f"0{r.randint(30, 89)} {r.randint(1234567, 9876543)}",
    "compact": lambda r: f"+{r.choice(MOBILE)}{r.randint(201_345_678, 989_765_432)}",
}

ASSIGN = {
    "python": ["credentials = dict({n}='{v}')", "{n} = os.getenv('X') or '{v}'", '{n} = b"{v}"', "def connect({n}='{v}'): pass",
               "client.{n} = '{v}'", 'parser.add_argument("--{n}", default="{v}")', 'session.auth = ("app", "{v}")', "{n} = ('{v}')"],
    "javascript": ["module.exports.{n} = '{v}';", 'localStorage.setItem("{n}", "{v}");', "headers['{n}'] = '{v}';",
                   "export const settings = {{ '{n}': `{v}` }};", "const {n}_ = env.X ?? '{v}';"],
    "typescript": ["let {n}: string | undefined = '{v}';", "const {n} = '{v}' as const;", 'headers["{n}"] = "{v}";'],
    "tsx": ["let {n}: string | undefined = '{v}';"],
    "java": ['System.setProperty("{n}", "{v}");', 'final var {n} = "{v}";', 'builder.{n}("{v}");'],
    "kotlin": ['var {n}: String? = "{v}"', 'System.setProperty("{n}", "{v}")', 'mapOf("{n}" to "{v}")'],
    "go": ['var {n} string = "{v}"', 'const {n} = "{v}"'],
    "ruby": ["{n} = '{v}'.freeze", 'ENV["{n}"] = "{v}"', "connect(:{n} => '{v}')"],
    "php": ['$this->{n} = "{v}";', "putenv('{n}={v}');", "$options['{n}'] = '{v}';"],
    "rust": ['static {n}: &\'static str = "{v}";', 'const {n}: Option<&str> = Some("{v}");'],
    "c": ['const char {n}[64] = "{v}";', 'static const char* const {n} = "{v}";'],
    "cpp": ['std::string {n}("{v}");', 'constexpr std::string_view {n} = "{v}";', 'const std::string {n}{{"{v}"}};'],
    "csharp": ['const string {n} = "{v}";', 'string? {n} = "{v}";'],
    "swift": ['static let {n} = "{v}"', 'var {n}: String? = "{v}"'],
    "scala": ['lazy val {n} = "{v}"', 'var {n} = "{v}"'],
    "lua": ["{n} = '{v}'", "local options = {{ {n} = '{v}' }}", "headers['{n}'] = '{v}'"],
    "bash": ['declare -r {n}="{v}"', "export {n}='{v}'", 'deploy --{n} "{v}"'],
    "yaml": ['{n}:  "{v}"', "{n}: {v}"],
    "toml": ['{n} = "{v}"'],
    "html": ['<meta name="{n}" content="{v}">', "<script>var {n} = '{v}';</script>"],
}  # fmt: skip
TEXT = {
    "secret": {
        "properties": "app.datasource.{n}={v}",
        "docker run": "docker run -e {N}={v} image",
        "compose": "- {N}={v}",
        "PowerShell": '$env:{N} = "{v}"',
        "cmd": "set {N}={v}",
        "escaped JSON": r'"{{\"{n}\": \"{v}\"}}"',
        "helm": "helm install app --set {n}={v}",
        "Python dict": "'{n}': '{v}',",
        "XML attribute": '<connection host="db" {n}="{v}"/>',
        "exported, quoted": "export {N}='{v}'",
        "environment of a container": "{{name: {N}, value: {v}}}",
        "ARG": "ARG {N}={v}",
        "INI, close": "{n}={v}",
        "prose": "the {n} is {v}",
    },
    "password": {
        "JDBC": "jdbc:mysql://db/app?user=a&password={v}",
        "Redis": "redis://:{v}@cache:6379/0",
        "sshpass": "sshpass -p {v} ssh host",
        "PGPASSWORD": "PGPASSWORD={v} psql -h db",
        "SQL set": "SET PASSWORD FOR app = '{v}';",
        "wget": "wget --http-password={v} http://localhost/",
        "ADO": 'Data Source=db;User ID=a;Password="{v}"',
        "login": "login: app, password: {v}",
        "AMQP": "amqp://app:{v}@queue:5672/",
    },
    "key": {
        "X-Api-Key": "X-Api-Key: {v}",
        "token header": '"Authorization", "Token {v}"',
        "access token": "http://localhost/?access_token={v}",
        "Service Bus": "Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey={v}",
        "close JSON": '"apiKey":"{v}"',
        "npmrc": "//registry.internal/:_authToken={v}",
        "AWS credentials": "aws_secret_access_key = {v}",
        "bearer, quoted": 'headers = {{"Authorization": "Bearer {v}"}}',
    },
    "token": {"bare": "{v}", "parameter": "--x {v}", "call": "login('{v}')", "YAML": "x: {v}", "query": "?x={v}&y=1", "brackets": "({v})"},
    "email": {"From": "From: {v}", "brackets": "<{v}>", "author_email": 'author_email="{v}"', "semicolon": "user={v};", "prose": "ask {v}, please"},
    "ip_address": {"ssh": "ssh root@{v}", "address": "bind_address = {v}", "ping": "ping {v}", "quoted": "'{v}'", "comma": "hosts: {v}, db"},
    "phone": {"Tel.": "Tel.: {v}", "mobile": '"mobile": "{v}"', "call": "call {v} now", "tel:": 'href="tel:{v}"', "fax": "Fax {v}"},
    "name": {
        "author, TeX": r"\author{{{v}}}",
        "created": "Created by {v} on 3/4/21.",
        "(c)": "(c) 2018 {v}",
        "reviewed": "Reviewed-by: {v} <x@localhost>",
        "author element": "<author>{v}</author>",
        "copyright field": ":copyright: (c) 2014 by {v}.",
        "object": '{{"name": "{v}", "email": "x@localhost"}}',
        "address": "{v} <x@localhost.org>",
        "contributors": '"contributors": ["{v}"]',
        "__maintainer__": "__maintainer__ = '{v}'",
        "@author, address": "* @author {v} <x@localhost>",
        "Author(s)": "Author(s): {v}",
        "Copyright, years last": "Copyright {v}, 2012-2016",
        "developed": "Originally developed by {v}",
    },
}  # fmt: skip
TABLES = Tables(
    values={"token": TOKENS, "key": KEYS, "password": PASSWORDS, "phone": PHONES, "email": {"address": _email},
            "ip_address": {"IPv4": _ipv4, "IPv6": _ipv6}, "name": {"name": _name}},
    assign=ASSIGN,
    text=TEXT,
    names={
        "password": words("pass DbPass admin_password rootPassword SMTP_PASSWORD ftp_passwd keystorePassword ldap_pwd passphrase"),
        "key": words("apikey x_api_key AppSecret consumer_secret refreshToken BOT_TOKEN GITHUB_TOKEN storageKey hmac_secret"
                     " secretAccessKey license_key csrf_secret DEPLOY_KEY bearer_token"),
    },
)  # fmt: skip
