import argparse
import inspect
import json.decoder
import textwrap
from collections.abc import Iterator

import pytest
import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from midspan.prompt.formats import FORMATS, Format
from midspan.prompt.tokenizer import SPECIAL_TOKENS, Tokenizer


def train(specials: list[str], vocab_size: int = 1200) -> str:
    """JSON of a small tokenizer that splits text as our own do."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    splits = [
        pre_tokenizers.Split(Regex(pattern), "isolated")
        for pattern in ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥]+")
    ]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts: Iterator[str] = map(inspect.getsource, (argparse, json.decoder, textwrap))
    tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str())


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_json(train(list(SPECIAL_TOKENS)))


@pytest.fixture(scope="session")
def format() -> Format:
    return FORMATS["mellum"]


@pytest.fixture(scope="session")
def other_family() -> str:
    """A tokenizer whose control tokens are none of a known family's."""
    return train(["<s>", "</s>"], vocab_size=300)
