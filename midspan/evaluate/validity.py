"""Whether a suggestion breaks the syntax of its file, told from as little of the file as will do.

A whole file takes milliseconds to parse, and nearly all suggestions are fine. So first only the unit around the caret
is parsed, from the last unindented line above it to the first one below; where that is far away, some lines on both
sides. Where that is whole without the suggestion, it decides. Where it is not, being cut off, a suggestion is called
broken only if it is so among more lines, those that the editor's own step looks at. The cost does not depend on the
size of the file; `benchmarks/evaluation_metrics.py` says how often the whole file would judge otherwise.
"""

import re

from midspan.syntax.broken import is_broken, near_before, near_behind
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import error_count

NEAR = 1_200
"""Characters on each side of the caret in which the unit must begin and end; `broken.NEAR` are five times as many."""
_UNINDENTED = re.compile(r"^[^\s)\]}#]", re.MULTILINE)


def validity(language: str, prefix: str, suggestion: str, suffix: str) -> float | None:
    """1 if the file with the suggestion has no more syntax errors than without; None if nothing was suggested,
    or the language has no grammar.
    """
    grammar = LANGUAGES.get(language)
    if grammar is None or not suggestion.strip():
        return None
    above, below = _above(prefix), _below(suffix)
    errors = error_count((above + suggestion + below).encode(), grammar)
    if not errors:
        return 1.0
    before = error_count((above + below).encode(), grammar)
    if before and errors > before:
        return float(not is_broken(near_before(prefix), suggestion, near_behind(suffix), grammar))
    return float(errors <= before)


def _above(prefix: str) -> str:
    start = max(0, len(prefix) - NEAR)
    line = prefix.rfind("\n") + 1
    unindented = [match.start() for match in _UNINDENTED.finditer(prefix, start) if match.start() < line]
    if unindented:
        return prefix[unindented[-1] :]
    return prefix[prefix.find("\n", start) + 1 :] if start else prefix


def _below(suffix: str) -> str:
    line_end = suffix.find("\n") + 1 or len(suffix)
    unindented = _UNINDENTED.search(suffix, line_end, NEAR)
    if unindented:
        return suffix[: unindented.start()]
    return suffix[: suffix.rfind("\n", 0, NEAR) + 1] if len(suffix) > NEAR else suffix
