"""The brackets that a draft writes."""

from midspan.complete.draft import Draft
from midspan.syntax.brackets import tokens_behind
from midspan.syntax.languages import Language
from midspan.syntax.scope import read_prefix

QUOTES = frozenset("\"'`")


def brackets_of(draft: Draft) -> list[tuple[int, str]]:
    """The brackets of the text with their offsets, those inside strings and comments left out.

    Among them the quote that ends a string in which the caret stands.
    """
    if draft.language is None:
        return plain_brackets(draft.text)
    return _code_brackets(draft.prefix, draft.text, draft.language)


def _code_brackets(prefix: str, text: str, language: Language) -> list[tuple[int, str]]:
    before = read_prefix(prefix, language)
    written = text.encode()
    caret = len(before)
    tokens = tokens_behind(before, written, language)
    found = list(tokens.brackets)
    for start, end in tokens.opaque:
        ends_in_text = start < caret < end <= caret + len(written)
        if ends_in_text and before[start : start + 1] not in (b"#", b"/"):
            quote = chr(written[end - 1 - caret])
            found += [(end - 1, quote)] if quote in QUOTES else []
    return [(len(written[: offset - caret].decode()), bracket) for offset, bracket in sorted(found)]


def plain_brackets(text: str) -> list[tuple[int, str]]:
    """All brackets of a text with their offsets."""
    return [(at, character) for at, character in enumerate(text) if character in "()[]{}"]
