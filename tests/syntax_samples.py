"""Samples: one file per language under `syntax/samples/`, real-looking code with what must be found in it marked.

`⟦` and `⟧` stand around a block that cuts must find; the first one is the body of a function, or what comes nearest.
"""

import re
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """A sample without its marks, and the blocks they mark, in the order of their starts."""

    text: str
    blocks: tuple[str, ...]

    @property
    def body(self) -> str:
        """The first block."""
        return self.blocks[0]


def read_sample(marked: str) -> Sample:
    """`marked` without its marks, and what they say."""
    text = ""
    blocks: list[str] = []
    open_blocks: list[tuple[int, int]] = []
    for piece in re.split("([⟦⟧])", marked):
        if piece == "⟦":
            open_blocks.append((len(blocks), len(text)))
            blocks.append("")
        elif piece == "⟧":
            number, start = open_blocks.pop()
            blocks[number] = text[start:]
        else:
            text += piece
    assert not open_blocks
    return Sample(text, tuple(blocks))


SAMPLES: dict[str, Sample] = {
    path.stem: read_sample(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "syntax" / "samples").glob("*.txt"))
}
