"""Healing against the pre-tokenizers of the code-model families, each with a small vocabulary of its own."""

import argparse
import functools
import inspect
import json.decoder
import textwrap

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, models, normalizers, pre_tokenizers, trainers

from midspan.model.gguf_tokenizer import pre_tokenizer_named
from midspan.prompt.heal import MAX_CUT, heal
from midspan.prompt.tokenizer import Tokenizer

MODULES = (argparse, json.decoder, textwrap)
PIECES = (
    *("a", "re", "Tur", "s", "l", "é", "語", "ß", "ي", "_"),
    *("1", "23", "456", "²", "٣"),
    *("(", "):", "'", "'l", '"', "=", "->", "<", "\\", "→", "…", "。"),
    *(" ", "  ", "    ", "\t", "\t\t", "\xa0", "\u2028"),
    *("\n", "\r\n", "\r", "\n\n"),
    *("😀", "👍🏽", "\u200d", "\u0301", "\u0338", "\x01"),
)
"""Of every class that a family tells apart; none longer than 8 bytes."""
ENDS = st.lists(st.sampled_from(PIECES), max_size=MAX_CUT // 8).map("".join)
CODE = st.sampled_from(["", "    return x\n", "\tx = [1]\r\n\n\n", textwrap.dedent(inspect.getsource(textwrap.indent))])
FAMILIES = ("deepseek-coder", "gpt-2", "starcoder", "qwen2", "llama3", "words", "qwen2 composed", "gpt-2 with blanks")


def with_pre_tokenizer(pre_tokenizer: pre_tokenizers.PreTokenizer) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(map(inspect.getsource, MODULES), trainer)
    return tokenizer


@functools.cache
def family(name: str) -> Tokenizer:
    rule, _, variant = name.partition(" ")
    if rule == "words":  # a blank is the only border, as in some forms of SentencePiece
        to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        words = pre_tokenizers.Split(" ", "merged_with_next")
        tokenizer = with_pre_tokenizer(pre_tokenizers.Sequence([words, to_bytes]))
    else:
        tokenizer = with_pre_tokenizer(pre_tokenizer_named(rule))
    if variant == "composed":  # as in the tokenizer.json of Qwen
        tokenizer.normalizer = normalizers.NFC()
    if variant == "with blanks":  # as in CodeGen and Phi
        tokenizer.add_tokens([AddedToken(" " * size, normalized=False) for size in range(2, 9)])
    return Tokenizer.from_json(tokenizer.to_str())


@functools.cache
def unsplit() -> Tokenizer:
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return Tokenizer.from_json(with_pre_tokenizer(to_bytes).to_str())


@given(name=st.sampled_from(FAMILIES), before=CODE, end=ENDS, behind=ENDS)
def test_the_kept_texts_tokens_begin_every_longer_text(name: str, before: str, end: str, behind: str) -> None:
    tokenizer = family(name)
    kept, cut = heal(before + end, tokenizer)
    assert kept + cut == before + end
    ids = tokenizer.encode(kept)
    for text in (before + end, before + end + behind, before + end + end[-1:]):
        assert tokenizer.encode(text)[: len(ids)] == ids


@given(name=st.sampled_from(FAMILIES[:-2]), before=CODE, end=ENDS, behind=ENDS)
def test_prompt_and_target_together_are_the_tokens_of_the_whole(name: str, before: str, end: str, behind: str) -> None:
    tokenizer = family(name)
    kept, cut = heal(before + end, tokenizer)
    assert tokenizer.encode(kept) + tokenizer.encode(cut + behind) == tokenizer.encode(before + end + behind)


@given(tokenizer=st.sampled_from([*map(family, FAMILIES), unsplit()]), prefix=st.one_of(st.text(), CODE, ENDS))
def test_nothing_is_lost_bounded_and_line_breaks_are_whole(tokenizer: Tokenizer, prefix: str) -> None:
    kept, cut = heal(prefix, tokenizer)
    assert kept + cut == prefix
    assert len(cut.encode()) <= MAX_CUT
    assert not (kept.endswith("\r") and cut[:1] in ("", "\n"))


@given(
    tokenizer=st.sampled_from([*map(family, FAMILIES), unsplit()]),
    before=CODE,
    end=ENDS,
    word=st.text(alphabet="aelrstué", min_size=2, max_size=24),
)
def test_typing_along_a_word_keeps_the_border(tokenizer: Tokenizer, before: str, end: str, word: str) -> None:
    line = before + end + " "
    assert len({heal(line + word[:typed], tokenizer)[0] for typed in range(1, len(word) + 1)}) == 1


OURS = [
    ("", "", ""),
    ("return", "", "return"),
    ("x = retu", "x =", " retu"),
    ("x = ", "x", " = "),
    ("x =  y", "x = ", " y"),
    ("foo.ba", "foo.", "ba"),
    ("wrapped_li", "wrapped_", "li"),
    ("x1", "x1", ""),
    ("foo(", "foo", "("),
    ("foo(a[0", "foo(a[0", ""),
    ("if a:\n    ", "if a:\n", "    "),
    ("if a:\n    re", "if a:\n   ", " re"),
    ("if a {\n\t\tre", "if a {\n\t", "\tre"),
    ("if a:\n", "if a:\n", ""),
    ("a\n\n\n", "a\n\n\n", ""),
    ("a\r\n", "a\r\n", ""),
    ("a\r", "a", "\r"),
    ("x = größe", "x =", " größe"),
    ("cafe\u0301", "cafe", "\u0301"),
    ("x = '👍🏽", "x = '", "👍🏽"),
    ("(" + "a" * 64, "(", "a" * 64),
    ("(" + "a" * 65, "(" + "a" * 64, "a"),
    ("x" + " " * 70, "x" + " " * 64, " " * 6),
    ("# " + "語" * 25, "# " + "語" * 21, "語" * 4),
]


@pytest.mark.parametrize(("prefix", "kept", "cut"), OURS)
def test_our_own_tokenizer(prefix: str, kept: str, cut: str) -> None:
    assert heal(prefix, family("deepseek-coder")) == (kept, cut)


@pytest.mark.parametrize(
    ("name", "prefix", "cut"),
    [
        ("gpt-2", "if a:\n    ", "\n    "),
        ("gpt-2", "if a:\n    re", " re"),
        ("gpt-2", "x\n\t\tre", "\tre"),
        ("gpt-2", "a\r\n", "\r\n"),
        ("gpt-2", "it'", "'"),
        ("gpt-2", "it'l", "'l"),
        ("gpt-2", "it'lo", "lo"),
        ("gpt-2", "x = 123", " 123"),
        ("starcoder", "x = 123", ""),
        ("llama3", "x = 12", "12"),
        ("llama3", "x = 123", ""),
        ("llama3", "x = 1234", "4"),
        ("qwen2", "if a:\n", ":\n"),
        ("qwen2", "foo\n", "\n"),
        ("qwen2", "if a:\n    ", "    "),
        ("qwen2", "foo.ba", ".ba"),
        ("qwen2 composed", "x(e", "(e"),
        ("gpt-2 with blanks", "x\n   re", "re"),
        ("gpt-2 with blanks", "x\n   ", "   "),
    ],
)
def test_other_families(name: str, prefix: str, cut: str) -> None:
    assert heal(prefix, family(name)) == (prefix.removesuffix(cut), cut)


@pytest.mark.parametrize(
    ("prefix", "cut"),
    [
        ("", ""),
        ("x = retu", " retu"),
        ("if a:\n    retu", "    retu"),
        ("if a:\n    ", "    "),
        ("if a:\n", ""),
        ("x = foo(", "("),
        ("x = foo_1", " foo_1"),
        ("x ==", " =="),
        ("a\r", "\r"),
        ("größe", "größe"),
        ("(" + "a" * 65, "a"),
    ],
)
def test_vocabularies_that_do_not_split_are_healed_by_classes_of_characters(prefix: str, cut: str) -> None:
    assert unsplit().pre_token_borders("if a:\n    return b") == []
    assert heal(prefix, unsplit()) == (prefix.removesuffix(cut), cut)


@pytest.mark.parametrize("tokenizer", [family("deepseek-coder"), family("qwen2"), unsplit()])
@pytest.mark.parametrize("character", ["a", " ", "#", "語", "😀", "\u0301"])
def test_in_a_run_without_end_the_border_moves_seldom(tokenizer: Tokenizer, character: str) -> None:
    borders = {len(heal("(" + character * length, tokenizer)[0]) for length in range(1, 300)}
    assert len(borders) <= 2 * 300 * len(character.encode()) // MAX_CUT


def test_borders_are_in_characters_of_the_text() -> None:
    assert family("deepseek-coder").pre_token_borders("é 😀x\n12") == [1, 3, 4, 5, 6]
    assert family("deepseek-coder").pre_token_borders("") == []
