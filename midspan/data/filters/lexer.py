"""Comments and strings of a source text, told apart by one regular expression per language, without a grammar.

The rules are those that the languages share: a comment ends with its line or its closing mark, a string of one line
ends with it, what is not closed runs to the end of the file. A Python string that starts a line and has three quotes is
a docstring and counts as a comment. Not understood are here-documents, regular expressions that hold quotes, and
comments in comments; they are rare enough for shares of a file (`tests/data` compares with tree-sitter's trees).

Cost: about 100 MB/s; linear whatever the text is, since nothing that is opened can fail to match.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from midspan.syntax.languages import LANGUAGES

_DOUBLE = r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
_SINGLE = r"'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
_TRIPLE_DOUBLE = r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*(?:"""|\Z)'
_TRIPLE_SINGLE = r"'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*(?:'''|\Z)"
_BACKTICK = r"`[^`\\]*(?:\\.[^`\\]*)*(?:`|\Z)"
_MULTILINE = (r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)', r"'[^'\\]*(?:\\.[^'\\]*)*(?:'|\Z)")
_CHARACTER = r"'(?:[^'\\\n]|\\[^\n]{1,9}?)'"

_STRINGS: dict[str, tuple[str, ...]] = {
    "python": (_TRIPLE_DOUBLE, _TRIPLE_SINGLE, _DOUBLE, _SINGLE),
    "java": (_TRIPLE_DOUBLE, _DOUBLE, _SINGLE),
    "kotlin": (_TRIPLE_DOUBLE, _DOUBLE, _SINGLE),
    "scala": (_TRIPLE_DOUBLE, _DOUBLE, _CHARACTER),
    "swift": (_TRIPLE_DOUBLE, _DOUBLE),
    "javascript": (_DOUBLE, _SINGLE, _BACKTICK),
    "typescript": (_DOUBLE, _SINGLE, _BACKTICK),
    "tsx": (_DOUBLE, _SINGLE, _BACKTICK),
    "go": (_DOUBLE, _CHARACTER, r"`[^`]*(?:`|\Z)"),
    "rust": (r'r##"[^"]*(?:"(?!##)[^"]*)*(?:"##|\Z)', r'r#"[^"]*(?:"(?!#)[^"]*)*(?:"#|\Z)', _MULTILINE[0], _CHARACTER),
    "c": (_DOUBLE, _CHARACTER),
    "cpp": (r'R"\([^)]*(?:\)(?!")[^)]*)*(?:\)"|\Z)', _DOUBLE, _CHARACTER),
    "csharp": (_TRIPLE_DOUBLE, r'@"(?:[^"]|"")*(?:"|\Z)', _DOUBLE, _CHARACTER),
    "php": _MULTILINE,
    "bash": (_MULTILINE[0], r"'[^']*(?:'|\Z)"),
    "toml": (_TRIPLE_DOUBLE, _TRIPLE_SINGLE, _DOUBLE, _SINGLE),
    "sql": (_DOUBLE, r"'[^']*(?:''[^']*)*(?:'|\Z)"),
    "json": (_DOUBLE,),
    "html": (),
    "markdown": (),
}
"""The kinds of strings a language has, where they are not just "..." and '...' on one line."""

_HASHES_AFTER_SPACE = frozenset({"bash", "yaml"})
"""Where `#` starts a comment only at the start of a word."""


class Lexed(NamedTuple):
    """The text without its comments, and its comments and strings with their marks, in order."""

    code: str
    comments: list[str]
    strings: list[str]


@dataclass(frozen=True)
class _Marks:
    tokens: re.Pattern[str] | None
    comments: tuple[str, ...]
    docstrings: bool
    after_space: bool


@cache
def _marks(language: str) -> _Marks:
    known = LANGUAGES.get(language)
    if known is None:
        return _Marks(None, (), False, False)
    blocks = [known.block_comment] if known.block_comment else []
    lines = [known.line_comment] if known.line_comment else []
    if language == "php":
        lines.append("#")
    kinds = [
        *(f"{re.escape(start)}.*?(?:{re.escape(end)}|\\Z)" for start, end in blocks),
        *(f"{re.escape(start)}[^\n]*" for start in lines),
        *_STRINGS.get(language, (_DOUBLE, _SINGLE)),
    ]
    return _Marks(
        re.compile(f"({'|'.join(kinds)})", re.DOTALL) if kinds else None,
        (*(start for start, _ in blocks), *lines),
        language == "python",
        language in _HASHES_AFTER_SPACE,
    )


def lex(text: str, language: str) -> Lexed:
    """Take a text apart. The lengths of code and comments add up to that of the text; strings are part of the code."""
    marks = _marks(language)
    if marks.tokens is None:
        return Lexed(text, [], [])
    pieces = marks.tokens.split(text)
    comments: list[str] = []
    strings: list[str] = []
    for index in range(1, len(pieces), 2):
        token = pieces[index]
        if token.startswith(marks.comments):
            if marks.after_space and pieces[index - 1] and not pieces[index - 1][-1].isspace():
                continue
        elif not (marks.docstrings and token.startswith(('"""', "'''")) and _starts_line(pieces, index)):
            strings.append(token)
            continue
        comments.append(token)
        pieces[index] = ""
    return Lexed("".join(pieces), comments, strings)


def _starts_line(pieces: list[str], index: int) -> bool:
    _, line_break, indent = pieces[index - 1].rpartition("\n")
    return not indent.strip() and (bool(line_break) or index == 1)
