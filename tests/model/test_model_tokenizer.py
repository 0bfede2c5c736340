import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_samples import source_files, tokenizer_json

from midspan.errors import MidspanError
from midspan.model.tokenizer import train_tokenizer
from midspan.prompt.tokenizer import SPECIAL_TOKENS, Tokenizer

TOKENIZER = Tokenizer.from_json(tokenizer_json())


@given(st.text())
def test_every_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_specials_come_first_and_every_byte_is_a_token():
    assert [TOKENIZER.special(name) for name in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))
    single = {TOKENIZER.token_bytes(id) for id in range(TOKENIZER.vocab_size)}
    assert {bytes([byte]) for byte in range(256)} <= single


def test_no_token_crosses_a_line_break_and_digits_stand_alone():
    for id in range(len(SPECIAL_TOKENS), TOKENIZER.vocab_size):
        text = TOKENIZER.token_bytes(id)
        assert len(text) == 1 or not set(text) & set(b"\r\n0123456789"), text


def test_code_takes_fewer_tokens_than_bytes():
    text = source_files()[0].read_text()
    assert len(text) / len(TOKENIZER.encode(text)) > 1.8


def test_the_same_text_gives_the_same_tokenizer():
    texts = [path.read_text(errors="replace") for path in source_files()[:8]]
    assert train_tokenizer(texts, 500).to_str() == train_tokenizer(iter(texts), 500).to_str()


def test_too_little_text_is_refused():
    with pytest.raises(MidspanError, match=r"yields only \d+ tokens of the 5000"):
        train_tokenizer(["def f(): pass"], 5_000)
