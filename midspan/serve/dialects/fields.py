"""Fields that the bodies of several dialects share, with their limits."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

MAX_FILES = 5_000
MAX_NEW_TOKENS = 1_024
MAX_CANDIDATES = 8
MAX_STOPS = 64
MAX_FIELD_CHARS = 1_000
"""Of names, kinds and stop strings."""


def _is_text(text: str) -> str:
    """JSON can write half a surrogate pair, which is no character and no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("not Unicode text: it holds half a surrogate pair") from None
    return text


def _whole(number: object) -> object:
    """JSON knows no integers: 64.0 is as good as 64."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def example(body: dict[str, Any]) -> ConfigDict:
    """The settings of a model whose description shows `body`."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class Body(BaseModel):
    """A request: types as the schema says them, fields that are not in it ignored."""

    model_config = ConfigDict(strict=True)


Text = Annotated[str, AfterValidator(_is_text)]
ShortText = Annotated[Text, Field(max_length=MAX_FIELD_CHARS)]
FilePath = Annotated[Text, Field(min_length=1, max_length=4_096)]
WHOLE = BeforeValidator(_whole)
"""Stands behind a field's limits: in front of them they would be missing in the description of the API."""
Whole = Annotated[int, WHOLE]
Count = Annotated[int, Field(ge=0), WHOLE]
Candidates = Annotated[int, Field(ge=1, le=MAX_CANDIDATES), WHOLE]
Stops = Annotated[list[ShortText], Field(max_length=MAX_STOPS)]
Temperature = Annotated[float, Field(ge=0, le=100)]
TopP = Annotated[float, Field(ge=0, le=1)]
Seed = Whole
TokenId = Annotated[int, Field(ge=0, lt=2**31), WHOLE]
