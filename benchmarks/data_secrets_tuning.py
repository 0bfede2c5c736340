# ruff: noqa: E501
"""The half on which the rules were tuned; see `data_secrets_planted`."""

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

TOKENS: dict[str, Value] = {
    "AWS access key": shape("AKIA", (BASE32, 16)),
    "AWS temporary key": shape("ASIA", (BASE32, 16)),
    "GitHub personal": shape("ghp_", (ALNUM, 36)),
    "GitHub app": shape("ghs_", (ALNUM, 36)),
    "GitHub fine-grained": shape("github_pat_", (ALNUM, 22), "_", (ALNUM, 59)),
    "GitLab personal": shape("glpat-", (URLSAFE, 20)),
    "Slack bot": shape("xoxb-", (string.digits, 12), "-", (string.digits, 13), "-", (ALNUM, 24)),
    "Slack webhook": shape("https://hooks.slack.com/services/T", (UPPER, 8), "/B", (UPPER, 10), "/", (ALNUM, 24)),
    "Google API": shape("AIza", (URLSAFE, 35)),
    "Google OAuth": shape("GOCSPX-", (URLSAFE, 28)),
    "Stripe live": shape("sk_live_", (ALNUM, 24)),
    "Stripe restricted": shape("rk_live_", (ALNUM, 99)),
    "OpenAI project": shape("sk-proj-", (URLSAFE, 74), "T3BlbkFJ", (URLSAFE, 74)),
    "Anthropic": shape("sk-ant-api03-", (URLSAFE, 93), "AA"),
    "Hugging Face": shape("hf_", (string.ascii_letters, 34)),
    "npm": shape("npm_", (ALNUM, 36)),
    "PyPI": shape("pypi-AgEIcHlwaS5vcmc", (URLSAFE, 80)),
    "RubyGems": shape("rubygems_", (HEX, 48)),
    "SendGrid": shape("SG.", (URLSAFE, 22), ".", (URLSAFE, 43)),
    "Mailgun": shape("key-", (HEX, 32)),
    "Mailchimp": shape((HEX, 32), "-us", "12"),
    "Twilio": shape("SK", (HEX, 32)),
    "Telegram bot": shape((string.digits, 10), ":AA", (URLSAFE, 33)),
    "Discord bot": shape("MT", (ALNUM, 24), ".", (URLSAFE, 6), ".", (URLSAFE, 38)),
    "DigitalOcean": shape("dop_v1_", (HEX, 64)),
    "Databricks": shape("dapi", (HEX, 32)),
    "Doppler": shape("dp.pt.", (ALNUM, 43)),
    "Vault": shape("hvs.", (URLSAFE, 95)),
    "Terraform Cloud": shape((ALNUM, 14), ".atlasv1.", (URLSAFE, 67)),
    "New Relic": shape("NRAK-", (UPPER, 27)),
    "Grafana": shape("glsa_", (ALNUM, 32), "_", (HEX, 8)),
    "Shopify": shape("shpat_", (HEX, 32)),
    "Square": shape("sq0csp-", (URLSAFE, 43)),
    "Airtable": shape("pat", (ALNUM, 14), ".", (HEX, 64)),
    "Linear": shape("lin_api_", (ALNUM, 40)),
    "Figma": shape("figd_", (URLSAFE, 40)),
    "Postman": shape("PMAK-", (HEX, 24), "-", (HEX, 34)),
    "Docker Hub": shape("dckr_pat_", (URLSAFE, 27)),
    "JWT": shape("eyJhbGciOiJIUzI1NiJ9.eyJzdWIi", (ALNUM, 60), ".", (URLSAFE, 43)),
    "Entra client secret": shape((ALNUM, 3), "8Q~", (ALNUM, 34)),
    "Groq": shape("gsk_", (ALNUM, 52)),
    "Replicate": shape("r8_", (ALNUM, 37)),
}
KEYS: dict[str, Value] = {
    "AWS secret": chars(BASE64, 40),
    "hex 32": chars(HEX, 32),
    "hex 40": chars(HEX, 40),
    "hex 64": chars(HEX, 64),
    "base64 key": lambda rng: chars(BASE64, 43)(rng) + "=",
    "alphanumeric 24": chars(ALNUM, 24),
    "alphanumeric 32": chars(ALNUM, 32),
    "url-safe 43": chars(URLSAFE, 43),
    "lower case 20": chars(string.ascii_lowercase + string.digits, 20),
    "Azure account": lambda rng: chars(BASE64, 86)(rng) + "==",
    "UUID": lambda rng: "-".join(chars(HEX, n)(rng) for n in (8, 4, 4, 4, 12)),
    "alphanumeric 16": chars(ALNUM, 16),
}
WORDS = words(
    "river winter falcon orange silver bishop garden monkey dragon purple copper rocket summer castle hammer velvet"
    " thunder pepper coffee ginger turtle walnut harbor meadow saffron cobalt marble lantern bramble quartz"
)


def _leet(word: str) -> str:
    return word.translate(str.maketrans("aeios", "43105"))


PASSWORDS: dict[str, Value] = {
    "random with signs": chars(ALNUM + "!#%^*?_-+=", 14),
    "random 12": chars(ALNUM, 12),
    "word, year, sign": lambda rng: f"{rng.choice(WORDS).title()}{rng.randint(1990, 2026)}{rng.choice('!?#*')}",
    "word and number": lambda rng: f"{rng.choice(WORDS).title()}{rng.randint(10, 9999)}",
    "two words": lambda rng: f"{rng.choice(WORDS)}-{rng.choice(WORDS)}-{rng.randint(10, 99)}",
    "leet": lambda rng: f"{_leet(rng.choice(WORDS))}{rng.choice('!?#')}{_leet(rng.choice(WORDS))}",
    "joined words": lambda rng: f"{rng.choice(WORDS)}{rng.choice(WORDS).title()}{rng.randint(1, 99)}",
    "random 20": chars(ALNUM + "!%^*-_", 20),
}
FIRST = words(
    "Anna Jonas María Peter Sofia Liam Chloé Dmitri Yuki Fatima Oscar Ingrid Mateo Priya Hans Zoë Ravi Elena Tomás"
    " Greta Kofi Amara Björn Lucía Viktor Nadia Henrik Paolo Aisha Marek"
)
LAST = words(
    "Schmidt García Lindqvist O'Connor Nakamura Petrov Dubois Okafor Hansen Rossi Müller Novák Fernandes Kowalski"
    " Iyer Johansson Haddad Moreau Bianchi Larsen Svensson Weber Castillo Ivanova Takahashi Becker Duarte Nowak"
)
DOMAINS = words(
    "fastmail.com posteo.de inria.fr acme-labs.io uni-bonn.de mail.ru proton.me kth.se waseda.ac.jp contoso.co.uk"
)


def _name(rng: random.Random) -> str:
    middle = f" {rng.choice(string.ascii_uppercase)}." if rng.random() < 0.15 else ""
    return f"{rng.choice(FIRST)}{middle} {rng.choice(LAST)}"


def _email(rng: random.Random) -> str:
    first, last = ascii_letters(rng.choice(FIRST)), ascii_letters(rng.choice(LAST))
    local = rng.choice([f"{first}.{last}", f"{first[0]}{last}", f"{first}_{last}{rng.randint(1, 99)}", f"{first}+dev"])
    return f"{local}@{rng.choice(DOMAINS)}"


def _ipv4(rng: random.Random) -> str:
    return f"{rng.choice((34, 52, 62, 81, 93, 104, 141, 185, 195, 213))}.{rng.randint(33, 250)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"


def _ipv6(rng: random.Random) -> str:
    groups = [f"{rng.randint(1, 65535):x}" for _ in range(4)]
    return rng.choice(["2a02", "2a01", "2604", "2001"]) + ":" + f"{rng.randint(4096, 65535):x}:{groups[0]}::{groups[1]}"


PHONES: dict[str, Value] = {
    "international": lambda r: f"+{r.choice((49, 33, 44, 34, 46))} {r.randint(20, 99)} {r.randint(1234567, 9876543)}",
    "US international": lambda r: f"+1 ({r.randint(201, 989)}) {r.randint(220, 540)}-{r.randint(2000, 9999)}",
    "dashes": lambda r: f"+44-{r.randint(20, 79)}-{r.randint(7000, 7999)}-{r.randint(1111, 9888)}",
    "US": lambda r: f"({r.randint(201, 989)}) {r.randint(220, 540)}-{r.randint(2000, 9999)}",
    "US dashes": lambda r: f"{r.randint(201, 989)}-{r.randint(220, 540)}-{r.randint(2000, 9999)}",
}

ASSIGN = {
    "python": ['{n} = "{v}"', "{n} = '{v}'", '{n}: str = "{v}"', 'settings = {{"{n}": "{v}"}}', 'connect(host="db", {n}="{v}")',
               'os.environ["{n}"] = "{v}"', 'os.environ.get("{n}", "{v}")', 'assert {n} == "{v}"'],
    "javascript": ['const {n} = "{v}";', "let {n} = '{v}';", 'const config = {{ {n}: "{v}" }};', "connect({{ host, '{n}': '{v}' }});",
                   'process.env.{n} = "{v}";', "const {n}_ = process.env.X || '{v}';" , "var {n} = `{v}`;"],
    "typescript": ['const {n}: string = "{v}";', "export const {n} = '{v}';", 'const config = {{ {n}: "{v}" }};'],
    "tsx": ['const {n}: string = "{v}";', "export const {n} = '{v}';"],
    "java": ['String {n} = "{v}";', 'config.put("{n}", "{v}");', 'private static final String {n} = "{v}";'],
    "kotlin": ['val {n} = "{v}"', 'const val {n}: String = "{v}"', 'settings["{n}"] = "{v}"'],
    "go": ['var {n} = "{v}"', 'const {n} string = "{v}"'],
    "ruby": ['{n} = "{v}"', "config[:{n}] = '{v}'", "settings = {{ {n}: '{v}' }}", "ENV['{n}'] ||= '{v}'"],
    "php": ["${n} = '{v}';", "define('{n}', '{v}');", "$config = ['{n}' => '{v}'];"],
    "rust": ['const {n}: &str = "{v}";', 'static {n}: &str = "{v}";'],
    "c": ['static const char *{n} = "{v}";', '#define {n} "{v}"', 'char {n}[] = "{v}";'],
    "cpp": ['const std::string {n} = "{v}";', '#define {n} "{v}"', 'auto {n} = "{v}"s;'],
    "csharp": ['string {n} = "{v}";', 'var {n} = @"{v}";'],
    "swift": ['let {n} = "{v}"', 'let {n}: String = "{v}"'],
    "scala": ['val {n} = "{v}"', 'val {n}: String = "{v}"'],
    "lua": ['local {n} = "{v}"', 'config.{n} = "{v}"'],
    "bash": ['export {n}="{v}"', "{n}='{v}'", '{n}="${{{n}:-{v}}}"'],
    "yaml": ['{n}: {v}', '{n}: "{v}"', "{n}: '{v}'"],
    "toml": ['{n} = "{v}"', "{n} = '{v}'"],
    "html": ['<input type="hidden" name="{n}" value="{v}">', '<div data-{n}="{v}"></div>'],
    "sql": ["-- {n}: {v}"],
}  # fmt: skip
TEXT_SECRETS = {
    ".env": "{N}={v}",
    ".env exported": "export {N}={v}",
    "INI": "{n} = {v}",
    "YAML": "{n}: {v}",
    "JSON": '"{n}": "{v}"',
    "XML element": "<{n}>{v}</{n}>",
    "XML attribute": '<add key="{n}" value="{v}" />',
    "Dockerfile": "ENV {N}={v}",
    "Dockerfile, old": "ENV {N} {v}",
    "command line": "tool --{k} {v} --verbose",
    "command line, =": "tool --{k}={v}",
    "query": "GET /v1/items?{n}={v}&page=2",
    "header": 'curl -H "X-{k}: {v}" http://localhost/',
}
TEXT_PASSWORDS = {
    "URL": "postgresql://app:{v}@db.internal:5432/app",
    "connection string": "Server=db1;Database=app;User Id=sa;Password={v};Encrypt=true",
    "ODBC": "Driver=x;Uid=app;Pwd={v};",
    "curl": "curl -u admin:{v} http://localhost/",
    "SQL": "CREATE USER app IDENTIFIED BY '{v}';",
    "SQL role": "ALTER ROLE app WITH PASSWORD '{v}';",
    "netrc": "machine api.internal login app password {v}",
}
TEXT_KEYS = {
    "bearer": "Authorization: Bearer {v}",
    "bearer in JSON": '"Authorization": "Bearer {v}"',
    "token header": "curl -H 'Authorization: token {v}' http://localhost/",
    "basic": "Authorization: Basic {v}",
    "connection string": "DefaultEndpointsProtocol=https;AccountName=app;AccountKey={v};EndpointSuffix=x",
    "clone": "git clone https://{v}@git.internal/app.git",
}
TEXT_TOKENS = {
    "bare": "see {v} there",
    "quoted": 'client("{v}")',
    "assigned": "x = '{v}'",
    "list": '["a", "{v}", "b"]',
    "URL": "http://localhost/?t={v}",
}
TEXT_EMAILS = {
    "bare": "contact {v} for help",
    "angle": "Maintainer <{v}>",
    "mailto": "mailto:{v}",
    "JSON": '"email": "{v}"',
    "list": "['{v}', 'x']",
}
TEXT_ADDRESSES = {
    "bare": "listens on {v} now",
    "JSON": '"host": "{v}"',
    "assigned": "HOST={v}",
    "hosts": "{v} build-server",
    "list": '["{v}"]',
}
TEXT_PHONES = {"phone": "Phone: {v}", "tel": "tel. {v}", "JSON": '"phone": "{v}"', "mobile": "mobile = '{v}'"}
TEXT_NAMES = {
    "@author": "@author {v}",
    "Author": "Author: {v}",
    ":author:": ":author: {v}",
    "__author__": '__author__ = "{v}"',
    "copyright": "Copyright (c) 2019 {v}",
    "copyright years": "Copyright 2015-2021, {v}. All rights reserved.",
    "trailer": "Signed-off-by: {v} <x@localhost>",
    "co-author": "Co-authored-by: {v} <x@localhost>",
    "package.json": '"author": "{v}"',
    "authors in TOML": 'authors = ["{v}"]',
    "maintainer": "Maintainer: {v}",
    "setup": 'setup(name="x", author="{v}")',
    "pom": "<developer><name>{v}</name></developer>",
    "written by": "Written by {v}, 2020",
}
PASSWORD_NAMES = words(
    "password dbPassword DB_PASSWORD passwd smtp_pass adminPwd MYSQL_ROOT_PASSWORD redis_password userPassword proxy_pwd"
)
KEY_NAMES = words(
    "api_key apiKey API_KEY secret_key SECRET_KEY client_secret clientSecret access_token accessToken auth_token"
    " AWS_SECRET_ACCESS_KEY encryption_key privateToken stripe_secret jwt_secret signing_key session_secret"
)

TABLES = Tables(
    values={
        "token": TOKENS,
        "key": KEYS,
        "password": PASSWORDS,
        "phone": PHONES,
        "email": {"address": _email},
        "ip_address": {"IPv4": _ipv4, "IPv6": _ipv6},
        "name": {"name": _name},
    },
    assign=ASSIGN,
    text={
        "secret": TEXT_SECRETS,
        "password": TEXT_PASSWORDS,
        "key": TEXT_KEYS,
        "token": TEXT_TOKENS,
        "email": TEXT_EMAILS,
        "ip_address": TEXT_ADDRESSES,
        "phone": TEXT_PHONES,
        "name": TEXT_NAMES,
    },
    names={"password": PASSWORD_NAMES, "key": KEY_NAMES},
)
