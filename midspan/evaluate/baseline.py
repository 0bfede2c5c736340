"""The baseline without a model: copy the line of the project that fits the caret best.

Looked through are the lines of the file itself, those above the caret from the nearest on, then those below it, then
the other files by path. A line fits if it begins with what is typed of the caret's line, indentation aside, and goes
on; the best is the one with the most lines above it, up to `LOOKED_BACK`, that are the lines above the caret; of equals
the first. Where nothing is typed and no line above agrees nothing is suggested.

Cost: one look at each line of the project, some 10 ms for 50,000 lines.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from midspan import __version__
from midspan.complete.caret import BLOCKS, QUOTED, caret_kind
from midspan.complete.draft import Draft
from midspan.complete.pipeline import run_steps
from midspan.context.project import Project
from midspan.data.cases import Case
from midspan.evaluate.answers import Answer
from midspan.syntax.languages import language_of

LOOKED_BACK = 4
FEWEST_TYPED = 3
"""Typed characters that say enough where no line above agrees."""
Lines = Sequence[str]
"""The lines of a text that are not blank, trimmed."""


class CopySystem:
    """The baseline, its line as it stands (`raw`) or through the steps that a model's suggestion takes."""

    def __init__(self, *, raw: bool) -> None:
        self.name, self._raw = "copy", raw
        self.identity: dict[str, Any] = {"midspan": __version__, "baseline": "copy", "raw": raw}

    async def answer(self, case: Case, project: Project) -> Answer:
        """The rest of the best line."""
        started = time.perf_counter()
        text, replaced, dropped = best_line(case, project), 0, ""
        if not self._raw:
            language = language_of(case.path)
            kind = caret_kind(case.prefix, case.suffix, language)
            draft, _ = run_steps(
                Draft(text, case.prefix, case.suffix, language, block=kind in BLOCKS, quoted=kind in QUOTED)
            )
            text, replaced, dropped = draft.text, draft.replace, draft.dropped
        milliseconds = (time.perf_counter() - started) * 1_000
        return Answer(text, replaced, dropped, stop_reason="end", latency_ms=round(milliseconds, 3))


def best_line(case: Case, project: Project) -> str:
    """What the best line has behind the typed text; empty if no line fits."""
    head, _, typed = case.prefix.rpartition("\n")
    typed = typed.lstrip()
    above = _lines(head)
    wanted = above[-LOOKED_BACK:][::-1]
    best, most = "", 0 if len(typed) < FEWEST_TYPED else -1
    for lines, places in _texts(case, project, above):
        for place in places:
            line = lines[place]
            if len(line) > len(typed) and line.startswith(typed):
                agreeing = _agreeing(lines, place, wanted)
                if agreeing > most:
                    best, most = line, agreeing
    return best[len(typed) :]


def _texts(case: Case, project: Project, above: Lines) -> Iterator[tuple[Lines, range]]:
    """Lines and the order to look at them; the caret's own line is in none of them."""
    yield above, range(len(above) - 1, -1, -1)
    below = _lines(case.suffix.partition("\n")[2])
    yield below, range(len(below))
    for path, lines in project.once("lines", _project_lines).items():
        if path != case.path:
            yield lines, range(len(lines))


def _project_lines(project: Project) -> dict[str, Lines]:
    return {path: _lines(file.text) for path, file in project.files.items()}


def _agreeing(lines: Lines, place: int, wanted: Lines) -> int:
    count = 0
    for line in wanted:
        if place - count < 1 or lines[place - count - 1] != line:
            break
        count += 1
    return count


def _lines(text: str) -> Lines:
    return [line for line in map(str.strip, text.split("\n")) if line]
