"""Model families and the names of their control tokens: one table, and the family of a given vocabulary.

A family is recognised by the control tokens that its vocabulary holds, never by a file name or a guess: a prompt in the
wrong format makes a model write nonsense without any error.
"""

from dataclasses import dataclass

from midspan.errors import MidspanError
from midspan.prompt.tokenizer import Tokenizer


@dataclass(frozen=True)
class Format:
    """Names of the control tokens of one family."""

    family: str
    prefix: str
    suffix: str
    middle: str
    filename: str
    end: str

    @property
    def tokens(self) -> tuple[str, ...]:
        """All names, those the vocabulary must hold."""
        return (self.prefix, self.suffix, self.middle, self.filename, self.end)


FORMATS: dict[str, Format] = {
    format.family: format
    for format in (
        Format(
            family="mellum",
            prefix="<fim_prefix>",
            suffix="<fim_suffix>",
            middle="<fim_middle>",
            filename="<filename>",
            end="<|endoftext|>",
        ),
    )
}


def detect_format(tokenizer: Tokenizer) -> Format:
    """The family whose control tokens the vocabulary holds; MidspanError if it is none of ours."""
    for format in FORMATS.values():
        if tokenizer.specials.issuperset(format.tokens):
            return format
    raise MidspanError(
        "the vocabulary holds the control tokens of no known fill-in-the-middle family",
        f"use a model of one of these families: {', '.join(FORMATS)}",
    )
