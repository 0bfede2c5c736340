import ast
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.data.redact import redact

KEY_LINE = "MIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9Oi" + "b0m6n8p4q2r1s5t7"
# Put together at run time, so that scanners of this repository find no secret here.
SECRETS = {
    "token": [
        "AKIA" + "IOSFODNN7EXAMPLQ",
        "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
        "xoxb-" + "123456789012-abcdefGHIJKL",
        "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
        "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh",
    ],
    "email": ["jane.doe@company.org", "x+y@sub.domain.de", "PEARU@CENS.IOC.EE"],
    "ip_address": ["81.2.69.142", "2a02:8109:9c00:1b2c:1::2"],
}
FLAT = [(kind, value) for kind, values in SECRETS.items() for value in values]


@pytest.mark.parametrize(("kind", "value"), FLAT)
def test_a_planted_secret_goes(kind, value):
    text, counts = redact(f'x = "{value}"  # {value}\n')
    assert value not in text
    assert text == f'x = "REDACTED_{kind.upper()}_1"  # REDACTED_{kind.upper()}_1\n'
    assert counts == {kind: 2}


@pytest.mark.parametrize(
    "text",
    [
        "q@k.transpose(-2, -1)\n",
        "scores = q@k.mT\n",
        "@app.route\ndef f(): ...\n",
        "git clone git@github.com:a/b.git\n",
        "mail = 'someone@example.com'\n",
        "HOST = '127.0.0.1'; LAN = '192.168.1.20'; DNS = '8.8.8.8'\n",
        "__version__ = '125.3.2.99'\n",
        "pip install thing==214.25.1.0\n",
        "oid = '1.3.6.1.5.5.7.3.2'\n",
        "mac = '00:1b:44:11:3a:b7'\n",
        "a[1::2]; std::vec::Vec\n",
        "assert abs(roots[0]+1.4142135623731*I) < 1e-9\n",
        "limit = x +3.14159265358979\n",
        "password = 'changeme'\n",
        'password = os.environ["DB_PASSWORD"]\n',
        'password = "{password}"\n',
        'api_key = "YOUR_API_KEY_GOES_HERE_123"\n',
        "token = 'identifier'\n",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == (text, {})


def test_assigned_literals():
    text, counts = redact('password = "tr0ub4dor&3"\nconfig = {"api_key": \'9f8a7b6c5d4e3f2a1b0c9d8e\'}\n')
    assert text == 'password = "REDACTED_PASSWORD_1"\nconfig = {"api_key": \'REDACTED_TOKEN_1\'}\n'
    assert counts == {"password": 1, "token": 1}


def test_password_in_a_url_goes_and_the_host_stays():
    text, _ = redact('url = "postgres://admin:tr0ub4dor@db.internal.org/x"\n')
    assert text == 'url = "postgres://admin:REDACTED_PASSWORD_1@db.internal.org/x"\n'


def test_private_key_keeps_lines_quotes_and_escapes():
    text = (
        f'KEY = ("-----BEGIN RSA PRIVATE KEY-----\\n"\n "{KEY_LINE}\\n"\n "{KEY_LINE}\\n{KEY_LINE[::-1]}\\n"\n'
        ' "-----END RSA PRIVATE KEY-----")\n'
    )
    clean, counts = redact(text)
    assert counts == {"private_key": 3}
    assert KEY_LINE not in clean and KEY_LINE[::-1] not in clean
    value = ast.literal_eval(clean.removeprefix("KEY = ").strip())
    assert value.count("\n") == 4
    assert "REDACTED_PRIVATE_KEY_1\nREDACTED_PRIVATE_KEY_1\nREDACTED_PRIVATE_KEY_2\n" in value


def test_same_value_same_placeholder_other_value_another():
    text, _ = redact("# a@first.org\n# b@second.org\n# a@first.org\n")
    assert text == "# REDACTED_EMAIL_1\n# REDACTED_EMAIL_2\n# REDACTED_EMAIL_1\n"


def test_escape_before_an_address_stays():
    text, _ = redact('s = "first\\nfoo@company.org"\n')
    assert text == 's = "first\\nREDACTED_EMAIL_1"\n'


PLAIN = st.text(alphabet=string.ascii_letters + string.digits + " .,:;@/-_=()[]+", max_size=30)
VALUES = st.sampled_from([value for _, value in FLAT] + ["hunter2!", "10.0.0.1"])


@st.composite
def python_lines(draw):
    plain, value = draw(PLAIN), draw(VALUES)
    return draw(
        st.sampled_from(
            [
                f"x = {plain!r}",
                f"# {plain} {value}",
                f"password = {value!r}",
                f'y = ["{value}", {plain!r}]',
                f"def f(a={value!r}):\n    return a  # {plain}",
                f'"""{plain} {value}\n{value}"""',
                "z = q@k.io",
            ]
        )
    )


@given(st.lists(python_lines(), max_size=6).map("\n".join))
def test_redaction_keeps_lines_and_syntax_and_settles(text):
    ast.parse(text)
    clean, _ = redact(text)
    ast.parse(clean)
    assert clean.count("\n") == text.count("\n")
    assert redact(clean) == (clean, {})
    assert not any(value in clean for _, value in FLAT)


@given(st.text(max_size=200))
def test_any_text_keeps_its_number_of_lines(text):
    assert redact(text)[0].count("\n") == text.count("\n")
