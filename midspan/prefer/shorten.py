"""Cutting a completion that runs on into shorter ones that end where a statement or the caret's scope ends.

The blueprint's source of preferred answers: the model often writes the right thing first and does not stop. A
completion runs on if the length limit ended it, or if it goes on behind the end of the scope that the caret opened.
Cost: the two scans of `syntax.scope`, a few milliseconds.
"""

from midspan.data.cases import Case
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.scope import scope_end, statement_ends

MAX_VERSIONS = 4


def shorter_versions(case: Case, text: str, ended: bool) -> list[str]:
    """Well-scoped beginnings of `text`, shortest first, none blank, at most `MAX_VERSIONS`; `ended`: by the model.

    If there are more, they are taken evenly, the shortest and the longest among them.
    """
    language = LANGUAGES.get(case.language)
    if ended:
        scope = scope_end(case.prefix, text, case.suffix, language)
        if scope is None or not text[scope:].strip():
            return []
    ends = statement_ends(case.prefix, text, case.suffix, language)
    if len(ends) > MAX_VERSIONS:
        step = (len(ends) - 1) / (MAX_VERSIONS - 1)
        ends = [ends[round(index * step)] for index in range(MAX_VERSIONS)]
    return [text[:end] for end in ends]
