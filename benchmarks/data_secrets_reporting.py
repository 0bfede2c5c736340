# ruff: noqa: E501
"""What figures are reported on, written when the rules were done; see `data_secrets_planted`."""

import random
import string

from data_secrets_planted import ALNUM, BASE64, HEX, UPPER, URLSAFE, Tables, Value, ascii_letters, chars, shape, words

TOKENS: dict[str, Value] = {
    "GitHub refresh": shape("ghr_", (ALNUM, 76)),
    "GitHub user-to-server": shape("ghu_", (ALNUM, 36)),
    "GitLab deploy": shape("gldt-", (URLSAFE, 20)),
    "GitLab pipeline trigger": shape("glptt-", (HEX, 40)),
    "Slack refresh": shape("xoxe-1-", (ALNUM, 146)),
    "Stripe test": shape("sk_test_", (ALNUM, 24)),
    "OpenAI service account": shape("sk-svcacct-", (URLSAFE, 60)),
    "Anthropic admin": shape("sk-ant-admin01-", (URLSAFE, 93), "AA"),
    "Shopify custom app": shape("shpca_", (HEX, 32)),
    "Square access": shape("EAAAE", (URLSAFE, 59)),
    "Grafana cloud": shape("glc_eyJ", (ALNUM, 60), "=="),
    "Doppler service": shape("dp.st.prd.", (ALNUM, 43)),
    "DigitalOcean refresh": shape("dor_v1_", (HEX, 64)),
    "Docker organisation": shape("dckr_oat_", (URLSAFE, 32)),
    "Vault batch": shape("hvb.", (URLSAFE, 140)),
    "New Relic browser": shape("NRJS-", (HEX, 19)),
    "Linear OAuth": shape("lin_oauth_", (ALNUM, 40)),
    "NuGet": shape("oy2", (string.ascii_lowercase + string.digits, 43)),
    "crates.io": shape("cio", (ALNUM, 32)),
    "Alibaba": shape("LTAI5t", (ALNUM, 18)),
    "Razorpay": shape("rzp_live_", (ALNUM, 14)),
    "Buildkite": shape("bkua_", (HEX, 40)),
    "Cloudflare origin CA": shape("v1.0-", (HEX, 24), "-", (HEX, 146)),
    "Tavily": shape("tvly-", (ALNUM, 32)),
    "JWT, RS256": shape("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3Mi", (ALNUM, 90), ".", (URLSAFE, 342)),
}
KEYS: dict[str, Value] = {
    "hex 36": chars(HEX, 36),
    "base64, 24 bytes": chars(BASE64, 32),
    "alphanumeric 48": chars(ALNUM, 48),
    "upper case 25": chars(UPPER, 25),
    "url-safe 64": chars(URLSAFE, 64),
    "groups": lambda rng: "-".join(chars(UPPER, 5)(rng) for _ in range(5)),
    "alphanumeric 22": chars(ALNUM, 22),
    "hex 128": chars(HEX, 128),
    "lower case 24": chars(string.ascii_lowercase + string.digits, 24),
}
WORDS = words(
    "basket cloud desert ember forest glacier hollow ivory jasper kernel lagoon mirror nectar orchid pillar quiver ribbon"
    " spruce temple umbrella violet willow yellow zenith acorn beacon cinder dahlia"
)


def _word(rng: random.Random) -> str:
    return rng.choice(WORDS)


PASSWORDS: dict[str, Value] = {
    "word, sign, digits": lambda rng: f"{_word(rng)}{rng.choice('@#%!')}{rng.randint(100, 9999)}",
    "capital in the middle": lambda rng: f"{_word(rng)}{_word(rng).title()}{rng.randint(100, 999)}?",
    "generated 18": chars(ALNUM + "!@#%^*_", 18),
    "generated 14": chars(ALNUM, 14),
    "replaced letters": lambda rng: f"{_word(rng).replace('o', '0').replace('e', '3')}_{rng.randint(1970, 2030)}",
    "year first": lambda rng: f"{rng.randint(1970, 2030)}{_word(rng).title()}{rng.choice('!*#')}",
    "dashed": lambda rng: f"{_word(rng).title()}-{rng.randint(1000, 9999)}-{_word(rng).title()}",
    "hex 20": chars(HEX, 20),
    "generated 32": chars(ALNUM, 32),
}
FIRST = words(
    "Alice Bruno Cecilia Damir Elif Florian Gemma Hannah Igor Jana Kaito Linnea Milo Núria Oleg Petra Quentin Rosa Sven Tereza Ulrich Vera Wanda Xavier Yara Zoltán"
)
LAST = words(
    "Abbott Bauer Costa Drăgan Eriksen Fontaine Grünwald Hughes Ibrahim Jansen Kuznetsova Lopez Mazur Nagy Olsen Palmer Quinn Reyes Sato Torres Ulrich Vogel Winkler Xu Yildiz Zanetti"
)
DOMAINS = words("hey.com web.de epfl.ch northwind.dev orange.fr rambler.ru seznam.cz uio.no sony.jp telstra.com.au")


def _name(rng: random.Random) -> str:
    return rng.choice(["{f} {l}", "{f} {l}", "{f} {l}-{m}", "{f} {i}. {l}", "{f} de {l}"]).format(
        f=rng.choice(FIRST), l=rng.choice(LAST), m=rng.choice(LAST), i=rng.choice(string.ascii_uppercase)
    )


def _email(rng: random.Random) -> str:
    first, last = ascii_letters(rng.choice(FIRST)), ascii_letters(rng.choice(LAST))
    return f"{rng.choice([f'{first}.{last}', f'{first[0]}.{last}', f'{last}{first[0]}', f'{first}{rng.randint(1, 999)}'])}@{rng.choice(DOMAINS)}"


def _ipv4(rng: random.Random) -> str:
    return f"{rng.choice((18, 37, 46, 54, 91, 109, 134, 163, 188, 217))}.{rng.randint(33, 220)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"


def _ipv6(rng: random.Random) -> str:
    return f"{rng.choice(('2a04', '2a0e', '2402', '2620', '2800'))}:{rng.randint(4096, 65535):x}:{rng.randint(1, 65535):x}::{rng.randint(1, 65535):x}"


PHONES: dict[str, Value] = {
    "grouped": lambda r: (
        f"+{r.choice((32, 39, 41, 43, 47, 52))} {r.randint(10, 99)} {r.randint(100, 999)} {r.randint(10, 99)} {r.randint(10, 99)}"
    ),
    "zero in brackets": lambda r: f"+49 (0){r.randint(30, 89)} {r.randint(111111, 999888)}",
    "US with country": lambda r: f"+1 {r.randint(201, 989)} {r.randint(220, 540)} {r.randint(2000, 9999)}",
    "dotted": lambda r: (
        f"+33.{r.randint(1, 7)}.{r.randint(10, 99)}.{r.randint(10, 99)}.{r.randint(10, 99)}.{r.randint(10, 99)}"
    ),
    "US brackets": lambda r: f"({r.randint(201, 989)}) {r.randint(220, 540)}-{r.randint(2000, 9999)}",
}
ASSIGN = {
    "python": ["config['{n}'] = '{v}'", 'Client({n}="{v}", timeout=3)', "self.{n} = \"{v}\"", 'DEFAULTS = {{"host": "x", "{n}": "{v}"}}', "{n}: Final = '{v}'", 'monkeypatch.setenv("{n}", "{v}")'],
    "javascript": ["const client = new Client({{ {n}: '{v}' }});", 'window.{n} = "{v}";', "setItem('{n}', '{v}');", "if ({n}_ === '{v}') {{}}"],
    "typescript": ['export let {n}: string = "{v}";', "const options = {{ {n}: '{v}' }};"],
    "tsx": ['const options = {{ {n}: "{v}" }};'],
    "java": ['properties.setProperty("{n}", "{v}");', 'static String {n} = "{v}";', 'env.put("{n}", "{v}");'],
    "kotlin": ['private const val {n} = "{v}"', 'headers["{n}"] = "{v}"', 'client.{n} = "{v}"'],
    "go": ['var {n} = `{v}`'],
    "ruby": ["config.{n} = '{v}'", "{{ '{n}' => '{v}' }}"],
    "php": ["const {n} = '{v}';", '$_ENV["{n}"] = "{v}";'],
    "rust": ['pub const {n}: &str = "{v}";', 'let {n} = "{v}".to_string();'],
    "c": ['char *{n} = "{v}";', '#define {n}  "{v}"'],
    "cpp": ['inline constexpr char {n}[] = "{v}";', 'auto {n} = std::string("{v}");'],
    "csharp": ['static readonly string {n} = "{v}";'],
    "swift": ['private let {n} = "{v}"'],
    "scala": ['private val {n} = "{v}"', 'config += ("{n}" -> "{v}")'],
    "lua": ['local {n} <const> = "{v}"', 'M.{n} = "{v}"', 'opts["{n}"] = "{v}"'],
    "bash": ['{n}="{v}"', 'readonly {n}="{v}"', "tool --{n}='{v}'"],
    "yaml": ["{n}: '{v}'"],
    "toml": ["{n} = '{v}'"],
    "html": ['<input name="{n}" type="hidden" value="{v}">', "<script>const {n} = \"{v}\"</script>"],
}  # fmt: skip
TEXT = {
    "secret": {
        "dotenv": '{N}="{v}"',
        "make": "{N} := {v}",
        "systemd": "Environment={N}={v}",
        "YAML, quoted": "{n}: '{v}'",
        "close YAML": "{n}:  {v}",
        "terraform": '{n} = "{v}"',
        "flag": "--{k}='{v}'",
        "JSON, spaces": '"{n}" : "{v}"',
        "XML property": "<property name=\"{n}\" value=\"{v}\"/>",
        "XML": "<{n}>{v}</{n}>",
        "fish": "set -x {N} {v}",
        "cookie": "{n}={v}; Path=/",
    },
    "password": {
        "mongo": "mongodb+srv://app:{v}@cluster0.internal/app",
        "mysql URL": "mysql://root:{v}@127.0.0.1:3306/x",
        "ftp": "ftp://u:{v}@files.internal/",
        "Npgsql": "Host=db;Username=app;Password={v};Database=app",
        "Grant": "CREATE LOGIN app WITH PASSWORD = '{v}';",
        "curl, long": "curl --user admin:{v} http://localhost/",
        "psql": "PGPASSWORD='{v}' psql",
    },
    "key": {
        "bearer": "authorization: Bearer {v}",
        "header": "-H 'x-api-key: {v}'",
        "event hub": "Endpoint=sb://x/;SharedAccessKeyName=k;SharedAccessKey={v};EntityPath=e",
        "parameter": "http://localhost/v2?api_key={v}",
        "https": "https://{v}@git.internal/a/b.git",
        "INI": "aws_secret_access_key={v}",
    },
    "token": {"after a colon": "key: {v}", "quoted": "'{v}'", "option": "-t {v}", "JSON": '{{"t":"{v}"}}', "end": "use {v}."},
    "email": {"by": "by {v}", "to": "To: {v}", "field": "email = '{v}'", "link": '<a href="mailto:{v}">', "colon": "mail:{v}"},
    "ip_address": {"server": "server {v};", "port": "{v}:443", "JSON": '"ip":"{v}"', "from": "from {v} to db", "URL": "https://{v}/x"},
    "phone": {"phone": "phone: {v}", "Tel": "Tel: {v}", "contact": "Phone number: {v}", "mobile": "Mobile: {v}"},
    "name": {
        "author": "author: {v}",
        "authors": 'authors = ["{v} <x@localhost.org>"]',
        "javadoc": " * @author {v}",
        "maintainers": "maintainers: {v}",
        "copyright": "Copyright (C) 2011-2014 {v}",
        "copyright, bare": "Copyright {v}",
        "signed": "Acked-by: {v} <x@localhost>",
        "setup": "author='{v}',",
        "header": "Author: {v} <x@localhost>",
        "written": "written by {v}",
        "__author__": "__author__ = '{v}'",
        "developer": "<developer><name>{v}</name></developer>",
    },
}  # fmt: skip
TABLES = Tables(
    values={"token": TOKENS, "key": KEYS, "password": PASSWORDS, "phone": PHONES, "email": {"address": _email}, "ip_address": {"IPv4": _ipv4, "IPv6": _ipv6}, "name": {"name": _name}},
    assign=ASSIGN,
    text=TEXT,
    names={
        "password": words("password DB_PASS mailPassword sudo_password USER_PASSWORD pgPassword vault_password tls_passphrase ADMIN_PWD"),
        "key": words("apiToken SLACK_TOKEN private_key app_secret x-api-key authToken encryptionKey SIGNING_SECRET webhook_secret service_key client-secret access_key jwtSecret"),
    },
)  # fmt: skip
