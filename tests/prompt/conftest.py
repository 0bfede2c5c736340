import pytest
from family_samples import train

from midspan.prompt.formats import FORMATS, Format
from midspan.prompt.tokenizer import SPECIAL_TOKENS, Tokenizer


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
