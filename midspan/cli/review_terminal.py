"""The review on the terminal: one pair at a time, one key per answer."""

import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from midspan.cli.tables import console

if TYPE_CHECKING:
    from midspan.prefer.judges.review import Item, Review

LINES_BEFORE, LINES_AFTER = 15, 8
SIDE_BY_SIDE_WIDTH = 140
KEYS = {"1": "1", "2": "2", "t": "tie", "s": "skip", "u": "undo", "q": "quit"}
HELP = "1 or 2: that one is better   t: tie   s: skip   u: undo   q: quit"
UNSEEN = ("Cc", "Cf", "Co", "Cn", "Zl", "Zp")
"""Unicode categories of characters that could move the cursor or turn the order of what is shown."""


def review_on_terminal(review: "Review") -> None:
    """Show pair after pair until all have a label, the person quits, or the input ends."""
    out = console()
    said = ""
    with _keys() as read_key:
        while (item := review.current) is not None:
            out.print(pair_view(item, review.done + 1, len(review.items), out.width))
            if said:
                out.print(Text(f"the one before: {said}", style="dim"))
            action = _action(out, read_key)
            if action == "quit":
                return
            if action == "undo":
                said = "taken back" if review.undo() else "nothing to take back"
            else:
                said = review.answer(item, action)
    if said:
        out.print(Text(f"the last one: {said}", style="dim"))


def pair_view(item: "Item", number: int, count: int, width: int) -> Group:
    """Both completions where they would stand; nothing tells which one a judge prefers."""
    panels = [
        Panel(_in_place(item, text), title=str(place), title_align="left") for place, text in enumerate(item.texts, 1)
    ]
    title = Text(f"{number} of {count}   {visible(item.path)}   {item.language}", style="bold")
    if width < SIDE_BY_SIDE_WIDTH:
        return Group(title, *panels)
    sides = Table.grid(expand=True)
    sides.add_column(ratio=1)
    sides.add_column(ratio=1)
    sides.add_row(*panels)
    return Group(title, sides)


def _in_place(item: "Item", text: str) -> Text:
    before = "\n".join(item.prefix.split("\n")[-LINES_BEFORE:])
    after = "\n".join(item.suffix.split("\n")[:LINES_AFTER])
    shown = Text()
    shown.append(visible(before), style="dim")
    shown.append(visible(text) or "(nothing)", style="bold green")
    shown.append(visible(after), style="dim")
    return shown


def visible(text: str) -> str:
    """The text with every character that is not plainly seen replaced: a completion must not command the terminal."""
    return "".join(
        character if character in "\n\t" or unicodedata.category(character) not in UNSEEN else "\ufffd"
        for character in text.replace("\r\n", "\n")
    )


def _action(out: Console, read_key: Callable[[], str]) -> str:
    """The answer of the next key that means something; the end of the input quits."""
    while True:
        out.print(Text(HELP, style="cyan"))
        key = read_key()
        action = KEYS.get(key.lower()) if key else "quit"
        if action is not None:
            return action


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Reads one key of a terminal, else the first character of a line; "" at the end of the input."""
    if not sys.stdin.isatty():
        yield lambda: sys.stdin.readline()[:1]
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)  # what was typed ahead is kept
        yield lambda: os.read(descriptor, 1).decode(errors="replace")
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
