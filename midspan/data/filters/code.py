"""Signals of the code as code: comments, strings, kinds of lines, data in the place of code.

They follow OpenCoder's heuristic rules (arXiv 2411.04905, appendix A) on what `lexer` tells apart. Where those look for
letters within a line ("pass" in "password"), a whole statement is asked for here. What a reader sees of HTML is counted
as BigCode does (bigcode-dataset, preprocessing/filtering.py): with white space, without scripts, styles and comments.

Cost: about 20 MB/s.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape

from midspan.data.filters.characters import share
from midspan.data.filters.lexer import Lexed

LONG_STRING_WORDS = 20
LONG_WORD = 20
"""A line of a string with more words, and a word with more characters, is long."""

_WORDS = re.compile(r"\w+|[^\w\s]+")
_URL = re.compile(r"https?://")
_HEX = re.compile(r"0[xX](?<!\w0[xX])[0-9a-fA-F]+\b")
_TODO = ("todo", "fixme", "your code here", "you code here")
_PASS = re.compile(r"(?:.*:\s*)?pass")
_IMPORT = re.compile(r"(?:import|from|using|use|package|require|#\s*include|export \*)\b")
_LITERAL = r"""(?:"[^"\n]*+"|'[^'\n]*+'|\d[\w.]*+)"""
_DATA = re.compile(rf"[\s\[\](){{}},:;+-]*+(?:{_LITERAL}[\s\[\](){{}},:;+-]*+)++")
_ASSIGNMENT = re.compile(r"^[ \t]*[^\s=#(][^=\n(]*[^=!<>\n]=[^=>]", re.MULTILINE)
_PLAIN = rf"(?:[-\w.]+|{_LITERAL})?"
_MODIFIERS = (
    r"(?:(?:abstract|case|data|default|export|final|internal|open|partial|private|protected|pub|public|sealed|static)"
    r"\s+)*"
)
_NO_LOGIC = re.compile(
    rf"return\b\s*{_PLAIN}\s*;?$|{_MODIFIERS}(?:class|struct|interface|enum|trait|namespace|impl)\b"
    rf"|[\w.:<>\[\]*&\s]+=\s*{_PLAIN}\s*[;,]?$"
)
_PRINT = re.compile(
    r"\bprint(?:ln)?[!(]|\bSystem\.out\.print|\bconsole\.log\b|\bf?printf\b|\bcout\b|\bConsole\.Write|\bfmt\.F?[Pp]rint"
)
_PRINT_MARKS = ("print", "Print", "console.log", "cout", "Console.Write")
_HEADERS = {
    "python": r"(?:async\s+)?def\b",
    "ruby": r"def\b",
    "scala": r"(?:\w+\s+)*def\b",
    "go": r"func\b",
    "swift": r"(?:\w+\s+)*func\b",
    "kotlin": r"(?:\w+\s+)*fun\b",
    "rust": r"(?:pub(?:\([^)]*\))?\s+|async\s+|unsafe\s+|const\s+)*fn\b",
    "lua": r"(?:local\s+)?function\b",
    "bash": r"(?:function\b|[\w-]+\s*\(\))",
}
_BRACES = (
    r"(?!(?:return|if|for|while|switch|else|throw|case|catch|do|new|await|yield)\b)[\w$<>\[\],.:~*&?@\s]+\([^;=]*\{?$"
)
_HEADER = {language: re.compile(header) for language, header in _HEADERS.items()}
_BRACES_HEADER = re.compile(rf"(?:export\s+|default\s+|async\s+)*function\b|{_BRACES}")
_WITHOUT_FUNCTIONS = frozenset({"json", "yaml", "toml", "markdown", "html", "css", "sql"})
_TEXT_BETWEEN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^>]*(?:>|\Z)", re.DOTALL | re.I)


@dataclass(frozen=True)
class Code:
    """Shares of lines are of the lines of code (comments and blank lines aside), of characters as each field says.

    None where the language has no such thing.
    """

    comment_share: float
    """Characters of comments, of the whole text."""
    string_share: float | None
    """Characters in strings, of the code."""
    long_word_share: float | None
    """Characters of long words in strings, addresses aside, of the code."""
    long_string_share: float | None
    """Long lines in strings, per line of code."""
    hex_share: float
    """Characters of hexadecimal numbers, of the code."""
    todo_share: float
    """Lines of comments that ask for work to be done, of all lines."""
    assert_share: float
    """Lines that hold "assert"."""
    print_share: float
    """Lines that print something."""
    import_share: float
    pass_share: float | None
    """Lines that are `pass`, in Python."""
    function_share: float | None
    """Lines that start a function."""
    no_logic_share: float | None
    """Lines that only import, start a function or a class, return or assign a name or a literal."""
    without_assignment: bool
    data_share: float
    """Lines that hold literals and punctuation alone."""
    duplicate_line_share: float
    """Lines that occur more than once; those of one character, and "},", do not count as such."""
    text_share: float | None
    """In HTML, what a reader sees, of the whole text."""
    text_characters: int | None


def code(text: str, language: str, lexed: Lexed) -> Code:
    """Measure a text that was taken apart."""
    size = len(lexed.code)
    lines = Counter(stripped for line in lexed.code.splitlines() if (stripped := line.strip()))
    count = lines.total()
    statements = {line: times for line, times in lines.items() if line[0].isalpha() or line[0] in "_@#"}
    header = _HEADER.get(language, _BRACES_HEADER)
    starts = {line: times for line, times in statements.items() if "(" in line and header.match(line)}
    imports = {line for line in statements if _IMPORT.match(line)}
    plain = sum(
        times for line, times in statements.items() if line not in starts and (line in imports or _NO_LOGIC.match(line))
    )
    functions = sum(starts.values())
    prints = any(mark in lexed.code for mark in _PRINT_MARKS)
    asserts = "assert" in lexed.code.lower()
    has_functions = language not in _WITHOUT_FUNCTIONS
    contents = [_content(token) for token in lexed.strings]
    prose = language in ("markdown", "html")
    visible = unescape(_TEXT_BETWEEN.sub("", text)) if language == "html" else None
    return Code(
        comment_share=share(len(text) - size, len(text)),
        string_share=None if prose else share(sum(map(len, contents)), size),
        long_word_share=None if prose else share(sum(map(_long_words, contents)), size),
        long_string_share=None if prose else share(sum(map(_long_lines, contents)), count),
        hex_share=share(sum(map(len, _HEX.findall(lexed.code))), size) if "0x" in lexed.code.lower() else 0.0,
        todo_share=share(_todo_lines("\n".join(lexed.comments).lower()), len(text.splitlines())),
        assert_share=share(_count(lines, lambda line: "assert" in line.lower()), count) if asserts else 0.0,
        print_share=share(_count(statements, _PRINT.search), count) if prints else 0.0,
        import_share=share(sum(statements[line] for line in imports), count),
        pass_share=share(_count(statements, _PASS.fullmatch), count) if language == "python" else None,
        function_share=share(functions, count) if has_functions else None,
        no_logic_share=share(functions + plain, count) if has_functions else None,
        without_assignment=_ASSIGNMENT.search(lexed.code) is None,
        data_share=share(sum(lines[line] for line in lines.keys() - statements.keys() if _DATA.fullmatch(line)), count),
        duplicate_line_share=share(
            sum(times for line, times in lines.items() if times > 1 and len(line) > 1 and line != "},"), count
        ),
        text_share=None if visible is None else share(len(visible), len(text)),
        text_characters=None if visible is None else len(visible),
    )


def _content(token: str) -> str:
    marks = 3 if token[:3] in ('"""', "'''") else 1
    return token[marks:-marks]


def _long_words(content: str) -> int:
    if len(content) <= LONG_WORD:
        return 0
    return sum(len(word) for word in content.split() if len(word) > LONG_WORD and not _URL.search(word))


def _long_lines(content: str) -> int:
    if len(content) <= LONG_STRING_WORDS:
        return 0
    lines = (line for line in content.split("\n") if len(line) > LONG_STRING_WORDS)
    return sum(len(_WORDS.findall(line)) > LONG_STRING_WORDS for line in lines)


def _todo_lines(comments: str) -> int:
    if not any(mark in comments for mark in _TODO):
        return 0
    return sum(any(mark in line for mark in _TODO) for line in comments.splitlines())


def _count(lines: dict[str, int], test: Callable[[str], object]) -> int:
    return sum(times for line, times in lines.items() if test(line))
