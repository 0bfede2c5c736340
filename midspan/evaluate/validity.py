"""Whether a suggestion breaks the syntax of its file, told from as little of the file as will do.

A whole file takes milliseconds to parse, and nearly all suggestions are fine. So first only the unit around the caret
is parsed: a function, a method, a statement, found by its indentation and moved to the left margin. Where that is whole
without the suggestion, it decides. Where it is not, a suggestion is called broken only if it is so among more lines,
those that the editor's own step looks at. The cost does not depend on the size of the file;
`benchmarks/evaluation_metrics.py` says how often the whole file would judge otherwise.
"""

import re

from midspan.syntax.broken import is_broken, near_before, near_behind
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import error_count

NEAR = 1_200
"""Characters on each side of the caret in which the unit must begin and end; `broken.NEAR` are five times as many."""
_HEAD = re.compile(r"^([ \t]*)[^\s)\]}#/*]", re.MULTILINE)
"""A line that may begin a unit: no closing bracket, no comment."""


def validity(language: str, prefix: str, suggestion: str, suffix: str) -> float | None:
    """1 if the file with the suggestion has no more syntax errors than without; None if nothing was suggested,
    or the language has no grammar.
    """
    grammar = LANGUAGES.get(language)
    if grammar is None or not suggestion.strip():
        return None
    above, below, margin = _unit(prefix, suffix)
    errors = error_count(_moved(above + suggestion + below, margin).encode(), grammar)
    if not errors:
        return 1.0
    before = error_count(_moved(above + below, margin).encode(), grammar)
    if before and errors > before:
        return float(not is_broken(near_before(prefix), suggestion, near_behind(suffix), grammar))
    return float(errors <= before)


def _unit(prefix: str, suffix: str) -> tuple[str, str, str]:
    """The unit's text before and behind the caret, and its indentation: the least of the lines near the caret."""
    start = max(0, len(prefix) - NEAR)
    first = prefix.find("\n", start) + 1 if start else 0
    line = prefix.rfind("\n") + 1
    heads = [match for match in _HEAD.finditer(prefix, first) if match.start() < line]
    margin = min((match[1] for match in heads), key=len, default="")
    begin = next((match.start() for match in reversed(heads) if match[1] == margin), first)
    line_end = suffix.find("\n") + 1 or len(suffix)
    for match in _HEAD.finditer(suffix, line_end, line_end + NEAR):
        if len(match[1]) <= len(margin):
            return prefix[begin:], suffix[: match.start()], margin
    reach = line_end + NEAR
    return prefix[begin:], suffix if len(suffix) <= reach else suffix[: suffix.rfind("\n", 0, reach) + 1], margin


def _moved(text: str, margin: str) -> str:
    return text.replace("\n" + margin, "\n").removeprefix(margin) if margin else text
