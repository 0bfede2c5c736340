"""Drawing a file with its cut points, and a split with its middle, on a terminal or as plain text.

A cut point lies between two characters; it is shown on the character a middle would start or end with. A terminal shows
its kind by colour; without colour a line of marks stands below each line of the file. Blocks are brackets left of the
text. Every character takes the columns it takes on the terminal: tabs go to the next stop, control characters show as
their Unicode pictures, and long lines are wrapped, the longest ones cut short.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from midspan.fim.split import Split
from midspan.syntax.cuts import CutKind, Outline, Span

TAB = 4
MAX_ROWS = 4
"""Rows of the terminal that one line of the file may take."""
MAX_LANES = 6
CONTEXT_LINES = 3
MIN_WIDTH = 20
BREAK_SIGN = "↵"

NUMBER_WIDTH = 6
UNSEEN = ("Cc", "Cf", "Cn", "Co", "Zl", "Zp")
"""Unicode categories of characters that show nothing of their own."""

NAMES = {
    CutKind.BLOCK_BOUNDARY: "block boundary",
    CutKind.LINE_START: "line start",
    CutKind.LINE_MIDDLE: "line middle",
    CutKind.TOKEN_MIDDLE: "token middle",
}
STYLES = {
    CutKind.BLOCK_BOUNDARY: "bold black on green",
    CutKind.LINE_START: "bold black on cyan",
    CutKind.LINE_MIDDLE: "bold yellow",
    CutKind.TOKEN_MIDDLE: "magenta",
}
MARKS = {
    CutKind.BLOCK_BOUNDARY: "#",
    CutKind.LINE_START: "^",
    CutKind.LINE_MIDDLE: "|",
    CutKind.TOKEN_MIDDLE: ".",
}
LANE_STYLES = ("green", "blue", "cyan", "magenta", "yellow", "red")
MIDDLE_STYLE = "black on green"

_BREAK = re.compile("\r\n|\r|\n")


@dataclass(frozen=True)
class Cell:
    """What stands for one character (and those that combine with it): its text, its columns, its style and mark."""

    text: str
    columns: int
    style: str = ""
    mark: str = " "


BRACKETS = Cell("⟦", 1, "bold green"), Cell("⟧", 1, "bold green")
"""What stands around a middle."""


def legend(counts: Mapping[CutKind, int], kind: str) -> Text:
    """The kinds with the colour, the mark and the number of their points."""
    text = Text(f"{kind} points: ")
    for number, (each, name) in enumerate(NAMES.items()):
        text.append("   " if number else "")
        text.append(f" {MARKS[each]} ", STYLES[each])
        text.append(f" {name} {counts[each]:,}")
    return text


def print_file(out: Console, outline: Outline, points: Mapping[CutKind, Sequence[int]], ends: bool) -> None:
    """Print the whole file with `points`, byte offsets by kind, as starts or, with `ends`, as ends of middles.

    Where points of several kinds coincide, the first kind in the order of `CutKind` is shown.
    """
    kinds = {offset: kind for kind in reversed(CutKind) for offset in points[kind]}
    lines = list(_lines(outline.source.decode()))
    if not lines[-1][1]:
        lines.pop()
    lanes = _lanes(outline, [start for start, _ in lines])
    for number, (start, line) in enumerate(lines):
        cells = _point_cells(line, start, kinds, ends)
        rows, left = _rows(cells, _width(out, len(lanes[number])), MAX_ROWS)
        for index, row in enumerate(rows):
            label = " " * NUMBER_WIDTH if index else f"{number + 1:>{NUMBER_WIDTH - 1}} "
            _print_row(out, Text.assemble((label, "dim"), lanes[number]), row)
            if not _has_colour(out) and any(cell.mark != " " for cell in row):
                marks = "".join(cell.mark.ljust(cell.columns)[: cell.columns] for cell in row)
                _print_row(out, Text.assemble(" " * NUMBER_WIDTH, lanes[number].plain), [Cell(marks, len(marks))])
        _print_left(out, left)


def print_split(out: Console, split: Split, number: int, count: int) -> None:
    """Print one drawn split: the end of its prefix, its middle, the beginning of its suffix."""
    first = len(_BREAK.findall(split.prefix)) + 1
    size = f"{len(split.middle):,} character" + ("s" if len(split.middle) > 1 else "")
    kinds = f"{_name(split.start_kind)} → {_name(split.end_kind)}"
    out.print()
    out.print(Text(f"draw {number} of {count}: {kinds}; {split.unit}, {size}", "bold"))
    before = [text for _, text in _lines(split.prefix)][-CONTEXT_LINES - 1 :]
    middle = [text for _, text in _lines(split.middle)]
    behind = [text for _, text in _lines(split.suffix)][: CONTEXT_LINES + 1]
    rows: list[list[Cell]] = [list(_cells(line, "dim")) for line in before[:-1]]
    current = [*_cells(before[-1], "dim"), BRACKETS[0]]
    for index, line in enumerate(middle):
        if index:
            rows.append([*current, Cell(BREAK_SIGN, 1, "green")] if _has_colour(out) else current)
            current = []
        current += _cells(line, MIDDLE_STYLE, sum(cell.columns for cell in current))
    current.append(BRACKETS[1])
    rows.append([*current, *_cells(behind[0], "dim", sum(cell.columns for cell in current))])
    rows += [list(_cells(line, "dim")) for line in behind[1:]]
    width = _width(out, 2)
    for line_number, cells in enumerate(rows, first - len(before) + 1):
        is_middle = any(cell in BRACKETS for cell in cells)
        shown = _near_middle(cells, width * MAX_ROWS // 2) if is_middle else cells
        cut, left = _rows(shown, width, len(shown) if is_middle else MAX_ROWS)
        for index, row in enumerate(cut):
            label = " " * (NUMBER_WIDTH - 1) if index else f"{line_number:>{NUMBER_WIDTH - 1}}"
            _print_row(out, Text.assemble((f"{label} │ ", "dim")), row)
        _print_left(out, left)


def _name(kind: str) -> str:
    return NAMES[CutKind(kind)]


def _has_colour(out: Console) -> bool:
    return out.color_system is not None and not out.no_color


def _width(out: Console, gutter: int) -> int:
    return max(MIN_WIDTH, out.width - NUMBER_WIDTH - gutter)


def _print_row(out: Console, gutter: Text, row: Sequence[Cell]) -> None:
    text = gutter
    for cell in row:
        text.append(cell.text, cell.style)
    if not _has_colour(out):
        text.rstrip()
    out.print(text, soft_wrap=True)


def _print_left(out: Console, characters: int) -> None:
    if characters:
        out.print(Text(" " * NUMBER_WIDTH + f"… {characters:,} more characters", "dim italic"))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """(byte offset, line) without line breaks; a text that ends with one has an empty last line."""
    offset, position = 0, 0
    for match in _BREAK.finditer(text):
        line = text[position : match.start()]
        yield offset, line
        offset += len(line.encode()) + len(match.group())
        position = match.end()
    yield offset, text[position:]


def _cells(text: str, style: str = "", column: int = 0) -> Iterator[Cell]:
    for character in text:
        shown = _shown(character, column)
        columns = cell_len(shown)
        yield Cell(shown, columns, style)
        column += columns


def _shown(character: str, column: int) -> str:
    if character == "\t":
        return " " * (TAB - column % TAB)
    if character < " ":
        return chr(0x2400 + ord(character))
    if character == "\ufeff":
        return ""
    # Format characters can turn the order of what follows around; a zero-width joiner only makes one emoji of several.
    is_seen = character == "\u200d" or unicodedata.category(character) not in UNSEEN
    return character if is_seen else "�"


def _point_cells(line: str, offset: int, kinds: Mapping[int, CutKind], ends: bool) -> list[Cell]:
    """The line's cells, each with the kind of the point before it, or with `ends` behind it."""
    cells: list[Cell] = []
    column = 0
    for character in line:
        behind = offset + len(character.encode())
        kind = kinds.get(behind if ends else offset)
        shown = _shown(character, column)
        columns = cell_len(shown)
        if columns == 0 and cells:  # it combines with the character before it, which keeps its mark
            last = cells[-1]
            cells[-1] = Cell(last.text + shown, last.columns, last.style, last.mark)
        else:
            cells.append(Cell(shown, columns, STYLES[kind], MARKS[kind]) if kind else Cell(shown, columns))
        column += columns
        offset = behind
    if not ends and offset in kinds:
        cells.append(Cell(BREAK_SIGN, 1, STYLES[kinds[offset]], MARKS[kinds[offset]]))
    return cells


def _rows(cells: Sequence[Cell], width: int, most: int) -> tuple[list[Sequence[Cell]], int]:
    """The cells in at most `most` rows, and at least one, of at most `width` columns; and how many cells are left."""
    rows: list[Sequence[Cell]] = []
    first = 0
    while not rows or (first < len(cells) and len(rows) < most):
        last, columns = first, 0
        while last < len(cells) and (last == first or columns + cells[last].columns <= width):
            columns += cells[last].columns
            last += 1
        rows.append(cells[first:last])
        first = last
    return rows, len(cells) - first


def _near_middle(cells: list[Cell], room: int) -> list[Cell]:
    """The part of a line that the middle is in, and up to `room` cells on either side of it."""
    marked = [index for index, cell in enumerate(cells) if cell in BRACKETS]
    first = max(0, marked[0] - room) if BRACKETS[0] in cells else 0
    last = marked[-1] + 1 + room if BRACKETS[1] in cells else len(cells)
    dots = Cell("…", 1, "dim")
    return [*([dots] if first else []), *cells[first:last], *([dots] if last < len(cells) else [])]


def _lanes(outline: Outline, starts: Sequence[int]) -> list[Text]:
    """What stands left of every line: a bracket for each block of several lines, outer ones to the left."""
    spans = [(_line_of(starts, block.start), _line_of(starts, block.end)) for block in outline.blocks]
    taken: list[dict[int, str]] = []
    for span in sorted({span for span in spans if span[0] < span[1]}, key=lambda span: (span[0], -span[1])):
        lane = next((lane for lane in taken if not any(line in lane for line in span)), None)
        if lane is None:
            if len(taken) == MAX_LANES:
                continue
            lane = {}
            taken.append(lane)
        _draw_bracket(lane, Span(*span))
    texts = []
    for number in range(len(starts)):
        text = Text()
        for index, lane in enumerate(taken):
            text.append(lane.get(number, " "), LANE_STYLES[index])
        texts.append(text.append(" "))
    return texts


def _draw_bracket(lane: dict[int, str], lines: Span) -> None:
    lane.update(dict.fromkeys(range(lines.start + 1, lines.end), "│"))
    lane[lines.start], lane[lines.end] = "╭", "╰"


def _line_of(starts: Sequence[int], offset: int) -> int:
    low, high = 0, len(starts)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if starts[middle] <= offset else (low, middle)
    return low
