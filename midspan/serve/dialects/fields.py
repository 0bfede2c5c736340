"""Fields that the bodies of several dialects share, with their limits."""

from typing import Annotated

from pydantic import AfterValidator, Field

MAX_FILES = 5_000
MAX_NEW_TOKENS = 1_024


def _is_text(text: str) -> str:
    """JSON can write half a surrogate pair, which is no character and no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("not Unicode text: it holds half a surrogate pair") from None
    return text


Text = Annotated[str, AfterValidator(_is_text)]
FilePath = Annotated[Text, Field(min_length=1, max_length=4_096)]
