"""Lines and blocks of lines: how context and prompt cut text.

A line ends with "\\n" and keeps it. Other separators (form feed, U+2028, a lone "\\r") are characters like any other,
as they are for editors and for git.
"""

from collections.abc import Iterator


def split_lines(text: str) -> list[str]:
    """Lines of `text`, each with its newline; only the last one may lack it. Joined they give `text` back."""
    lines = text.split("\n")
    last = lines.pop()
    result = [line + "\n" for line in lines]
    if last:
        result.append(last)
    return result


def blocks(lines: list[str], size: int) -> Iterator[str]:
    """Text of `size` lines at a time; the last block may be shorter."""
    for start in range(0, len(lines), size):
        yield "".join(lines[start : start + size])
