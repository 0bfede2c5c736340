"""Between an editor's positions and offsets in the text: the one place where UTF-16 is counted."""

from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]
_UNIT_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
_CODECS = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


def offset_at(text: str, line: int, character: int, encoding: Encoding = "utf-16") -> int:
    """The character offset of an LSP position: `character` counts code units of `encoding` within the line.

    Lines end with LF, CRLF or CR and nothing else, as LSP says. A position behind the end of its line is at its end,
    one behind the last line at the end of the text, one inside a character before that character.
    """
    start = 0
    for _ in range(line):
        end = _end_of_line(text, start)
        if end == len(text):
            return end
        start = end + (2 if text.startswith("\r\n", end) else 1)
    units = text[start : _end_of_line(text, start)].encode(_CODECS[encoding], "surrogatepass")
    before = units[: character * _UNIT_BYTES[encoding]]
    return start + len(before.decode(_CODECS[encoding], "ignore"))


def code_units(text: str, encoding: Encoding = "utf-16") -> int:
    """How many code units of `encoding` a text has."""
    return len(text.encode(_CODECS[encoding], "surrogatepass")) // _UNIT_BYTES[encoding]


def _end_of_line(text: str, start: int) -> int:
    """Offset of the line break at or behind `start`, or of the end of the text."""
    ends = [end for end in (text.find("\n", start), text.find("\r", start)) if end >= 0]
    return min(ends, default=len(text))
