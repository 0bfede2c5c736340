"""The words of a language: its keywords, as its grammar writes them."""

import re
from functools import cache

from midspan.syntax.languages import Language

_WORD = re.compile(r"[^\W\d]\w*")


@cache
def keywords(language: Language) -> frozenset[str]:
    """The words that the grammar itself writes: keywords, and for some languages names of built-in types."""
    grammar = language.grammar
    kinds = (
        grammar.node_kind_for_id(number)
        for number in range(grammar.node_kind_count)
        if grammar.node_kind_is_visible(number) and not grammar.node_kind_is_named(number)
    )
    return frozenset(kind for kind in kinds if kind and _WORD.fullmatch(kind))
