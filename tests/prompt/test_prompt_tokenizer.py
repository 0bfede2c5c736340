import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, models
from tokenizers import Tokenizer as Plain

from midspan.errors import MidspanError
from midspan.prompt.formats import FORMATS, detect_format
from midspan.prompt.tokenizer import SPECIAL_TOKENS, Tokenizer

CODE = st.text(alphabet="ab_ \t\n\r(){}.=0é한語\u0301\u200d😀<|>", max_size=80)
HOSTILE = st.lists(st.one_of(st.sampled_from(SPECIAL_TOKENS), CODE)).map("".join)


@given(text=st.one_of(st.text(), CODE, HOSTILE))
def test_decoding_gives_the_text_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
    assert list(tokenizer.encode_block(text)) == ids


@given(text=HOSTILE)
def test_source_text_never_yields_control_tokens(tokenizer: Tokenizer, text: str) -> None:
    controls = {tokenizer.special(name) for name in SPECIAL_TOKENS}
    assert not controls.intersection(tokenizer.encode(text))


@given(one=CODE, other=CODE)
def test_lines_are_encoded_independently(tokenizer: Tokenizer, one: str, other: str) -> None:
    assert tokenizer.encode(one + "\n" + other) == tokenizer.encode(one + "\n") + tokenizer.encode(other)


def test_every_token_has_its_bytes(tokenizer: Tokenizer) -> None:
    names = [tokenizer.token_bytes(id).decode() for id in range(len(SPECIAL_TOKENS))]
    assert tuple(names) == SPECIAL_TOKENS
    rest = {tokenizer.token_bytes(id) for id in range(len(SPECIAL_TOKENS), tokenizer.vocab_size)}
    assert len(rest) == tokenizer.vocab_size - len(SPECIAL_TOKENS)
    assert rest >= {bytes([byte]) for byte in range(256)}
    assert max(map(len, rest)) == tokenizer.longest_token
    with pytest.raises(IndexError):
        tokenizer.token_bytes(tokenizer.vocab_size)


def test_control_tokens_are_decoded_by_name(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode([tokenizer.special("<fim_prefix>"), *tokenizer.encode("a b")]) == "<fim_prefix>a b"


def test_a_character_cut_in_its_middle_is_marked(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("語")[:1]) == "\ufffd"


def test_unknown_control_token(tokenizer: Tokenizer) -> None:
    with pytest.raises(MidspanError, match="<fim_pad>"):
        tokenizer.special("<fim_pad>")
    with pytest.raises(MidspanError, match="no control token return"):
        tokenizer.special("return")


def test_control_tokens_that_a_family_does_not_mark_as_special(other_family: str) -> None:
    plain = Plain.from_str(other_family)
    plain.add_tokens([AddedToken("<|fim|>", special=False), AddedToken("    ", special=False)])
    tokenizer = Tokenizer.from_json(plain.to_str())
    assert tokenizer.special("<|fim|>") not in tokenizer.encode("a<|fim|>b")
    assert tokenizer.decode(tokenizer.encode("a<|fim|>    b")) == "a<|fim|>    b"
    assert plain.token_to_id("    ") in tokenizer.encode("    b")


def test_loading(tokenizer: Tokenizer, other_family: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(other_family, encoding="utf-8")
    assert Tokenizer.load(file).fingerprint == Tokenizer.load(tmp_path).fingerprint != tokenizer.fingerprint
    assert len(tokenizer.fingerprint) == 64


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"version": "1.0"}), "\0"])
def test_what_is_no_tokenizer_is_one_line_of_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(MidspanError) as caught:
        Tokenizer.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_is_not_byte_level_is_refused() -> None:
    plain = Plain(models.BPE(vocab={"▁a": 0, "b": 1}, merges=[]))
    with pytest.raises(MidspanError, match="byte-level"):
        Tokenizer.from_json(plain.to_str())


def test_missing_tokenizer_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(MidspanError, match="nowhere"):
        Tokenizer.load(tmp_path / "nowhere")


def test_the_family_is_detected_by_control_tokens_or_refused(tokenizer: Tokenizer, other_family: str) -> None:
    assert detect_format(tokenizer) == FORMATS["mellum"]
    with pytest.raises(MidspanError, match="mellum"):
        detect_format(Tokenizer.from_json(other_family))
