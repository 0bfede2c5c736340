"""Tokens: made once, kept as hashes, taken up and taken back while a server runs."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.cli.main import run
from midspan.errors import MidspanError
from midspan.serve.auth import NAME, Tokens, add_token, read_tokens, remove_token


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tokens"


def header(token: str) -> bytes:
    return f"Bearer {token}".encode()


def test_a_token_is_known_by_its_name_and_the_file_does_not_hold_it(file):
    ann, bob = add_token(file, "ann"), add_token(file, "bob@example.com")
    tokens = Tokens(file)
    assert (tokens.user(header(ann)), tokens.user(header(bob))) == ("ann", "bob@example.com")
    assert tokens.user(header(ann).replace(b"Bearer", b"bearer")) == "ann"
    secret = ann.split("_", 2)[2]
    assert len(secret) == 43
    assert secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["tokens"]


def test_another_secret_under_a_known_id_is_refused(file):
    ann = add_token(file, "ann")
    other = ann[:-1] + ("A" if ann[-1] != "A" else "B")
    assert Tokens(file).user(header(other)) is None


@given(st.binary(max_size=80) | st.from_regex(rb"Bearer ms_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", fullmatch=True))
def test_anything_else_is_refused(tmp_path_factory, value):
    file = tmp_path_factory.getbasetemp() / "tokens-of-one"
    if not file.exists():
        add_token(file, "ann")
    assert Tokens(file).user(value) is None


def test_changes_of_the_file_are_taken_up(file):
    ann = add_token(file, "ann")
    tokens = Tokens(file)
    bob = add_token(file, "bob")
    assert tokens.user(header(bob)) == "bob"
    remove_token(file, "ann")
    assert tokens.user(header(ann)) is None
    assert tokens.user(header(bob)) == "bob"


def test_a_broken_file_leaves_the_tokens_as_they_were(file, caplog):
    ann = add_token(file, "ann")
    tokens = Tokens(file)
    file.write_text("my-secret-token\n")
    assert tokens.user(header(ann)) == "ann"
    assert "my-secret-token" not in caplog.text


def test_without_its_file_no_token_is_good_until_the_file_is_back(file, caplog):
    ann = add_token(file, "ann")
    tokens, content = Tokens(file), file.read_text()
    file.unlink()
    assert tokens.user(header(ann)) is None
    assert "token file is gone" in caplog.text
    file.write_text(content)
    assert tokens.user(header(ann)) == "ann"


def test_errors_say_what_to_do(file):
    with pytest.raises(MidspanError, match="midspan token add"):
        Tokens(file)
    file.write_text("open sesame\n")
    with pytest.raises(MidspanError, match="tokens:1 is not a name, an id and a hash") as raised:
        Tokens(file)
    assert "sesame" not in str(raised.value)
    file.unlink()
    add_token(file, "ann")
    for name, message in (("ann", "already"), ("a b", "no name"), ("", "no name"), ("-", "no name")):
        with pytest.raises(MidspanError, match=message):
            add_token(file, name)
    with pytest.raises(MidspanError, match="no token for bob"):
        remove_token(file, "bob")
    assert [entry.name for entry in read_tokens(file)] == ["ann"]


@given(st.from_regex(NAME, fullmatch=True))
def test_every_name_can_be_read_again(tmp_path_factory, name):
    file = tmp_path_factory.mktemp("names") / "tokens"
    token = add_token(file, name)
    assert Tokens(file).user(header(token)) == name


def test_the_commands_add_list_and_remove(file, capsys):
    assert run(["token", "add", "ann", "--token-file", str(file)]) == 0
    token = capsys.readouterr().out.strip()
    assert Tokens(file).user(header(token)) == "ann"
    assert run(["token", "list", "--token-file", str(file)]) == 0
    assert capsys.readouterr().out == "ann\n"
    assert run(["token", "remove", "ann", "--token-file", str(file)]) == 0
    assert run(["token", "remove", "ann", "--token-file", str(file)]) == 2
