"""The strategies that choose context for a caret (blueprint, stage 2), behind one function, `rank`.

* `iou`: the files of the current directory, by IoU of their lines with the current file's.
* `path_distance`: all files, those fewest directory steps away first.
* `rag`: windows of lines of the nearest and of the recently opened files, by IoU of their BPE tokens with the window
  around the caret; the best windows over all files win.

None of them sees the text between prefix and suffix, and none looks at the caret's own line: what is being typed must
not move the context, or every keystroke would throw away the engine's cache. For the same reason the window around the
caret moves in steps of a few lines. Equal scores are decided by path, then by line.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from midspan.context.lines import split_lines
from midspan.context.project import Chunk, File, Project, directory_of, directory_steps
from midspan.context.similarity import iou, line_set, window_iou
from midspan.context.windows import WINDOW_LINES, Encode, token_set, windows_of
from midspan.recipe.schema import Strategy

MAX_CANDIDATES = 512
MAX_CANDIDATE_CHARS = 3_000_000
"""What `rag` looks into, by path distance; recent files come on top. Encoding costs about a second per million
characters, once; a query over all of it then takes a few milliseconds."""
QUERY_STEP = 4
QUERY_LINES_ABOVE = 12
QUERY_LINES_BELOW = WINDOW_LINES - QUERY_LINES_ABOVE
CHARS_PER_TOKEN = 6
"""More characters than a token of source code stands for on average, so that ranking need not count tokens."""


def rank(
    project: Project,
    path: str,
    prefix: str,
    suffix: str,
    strategy: Strategy,
    *,
    encode: Encode,
    token_budget: int,
    recent: Sequence[str] = (),
) -> list[Chunk]:
    """Chunks of other files than `path` for a caret between `prefix` and `suffix`, best first.

    The chunks are at least what `token_budget` tokens can hold, as far as the project has so much. `recent` are paths
    the user opened lately; those that are not in the project are passed over.
    """
    above = split_lines(prefix)
    if prefix and not prefix.endswith("\n"):
        above.pop()
    below = split_lines(suffix)[1:]
    match strategy:
        case "none":
            return []
        case "iou":
            chunks: Iterable[Chunk] = _by_lines(project, path, above + below)
        case "path_distance":
            chunks = _by_distance(project, path)
        case "rag":
            chunks = _by_windows(project, path, above, below, encode, recent)
    return _enough(chunks, token_budget)


def _enough(chunks: Iterable[Chunk], token_budget: int) -> list[Chunk]:
    """The first chunks, until there is surely more text than the budget holds."""
    chosen: list[Chunk] = []
    room = token_budget * CHARS_PER_TOKEN
    for chunk in chunks:
        if room <= 0:
            break
        chosen.append(chunk)
        room -= len(chunk.text)
    return chosen


def _by_lines(project: Project, path: str, lines: list[str]) -> list[Chunk]:
    directory = directory_of(path)
    query = line_set(lines)
    chunks = []
    for file in project.files.values():
        if file.path == path or directory_of(file.path) != directory or not file.text:
            continue
        score = iou(query, _line_set_of(project, file))
        chunks.append(Chunk(file.path, file.text, 0, score, f"same directory, {score:.0%} of lines shared"))
    return sorted(chunks, key=lambda chunk: (-chunk.score, chunk.path))


def _lines_of(project: Project, file: File) -> list[str]:
    return project.memory.recall(("lines", file), lambda: split_lines(file.text), lambda _: 2 * len(file.text))


def _line_set_of(project: Project, file: File) -> frozenset[str]:
    return project.memory.recall(
        ("line set", file), lambda: line_set(_lines_of(project, file)), lambda _: 2 * len(file.text)
    )


def _by_distance(project: Project, path: str) -> Iterator[Chunk]:
    directory = directory_of(path)
    for file in project.by_distance(directory):
        if file.path != path and file.text:
            steps = directory_steps(directory, directory_of(file.path))
            yield Chunk(file.path, file.text, 0, 1 / (1 + steps), _distance_reason(steps))


def _distance_reason(steps: int) -> str:
    if steps == 0:
        return "same directory"
    return f"{steps} directory step{'s' if steps > 1 else ''} away"


def _by_windows(
    project: Project, path: str, above: list[str], below: list[str], encode: Encode, recent: Sequence[str]
) -> Iterator[Chunk]:
    """Windows with any token in common, best first; of windows that overlap only the best."""
    query = token_set(query_lines(above, below), encode)
    files = _candidates(project, path, recent)
    windows = windows_of(files, encode, project.memory)
    scores = window_iou(query, windows.tokens, windows.sizes)
    scores[windows.file == next((index for index, file in enumerate(files) if file.path == path), -1)] = 0.0
    recently = frozenset(recent)
    taken: dict[int, list[int]] = {}
    for best in np.argsort(-scores, kind="stable"):
        score, index, first = float(scores[best]), int(windows.file[best]), int(windows.first_line[best])
        if score == 0.0:
            return
        if any(abs(first - other) < WINDOW_LINES for other in taken.get(index, ())):
            continue
        taken.setdefault(index, []).append(first)
        file = files[index]
        lines = _lines_of(project, file)[first : first + WINDOW_LINES]
        reason = f"lines {first + 1}-{first + len(lines)} share {score:.0%} of tokens with the code around the caret"
        yield Chunk(
            file.path, "".join(lines), first, score, reason + (", recently opened" if file.path in recently else "")
        )


def _candidates(project: Project, path: str, recent: Sequence[str]) -> tuple[File, ...]:
    """The nearest files and the recent ones, by path, so that equal scores come out in the order of paths."""
    chosen = {opened: project.files[opened] for opened in recent if opened in project.files}
    room = MAX_CANDIDATE_CHARS
    for file in project.by_distance(directory_of(path))[:MAX_CANDIDATES]:
        if len(file.text) <= room:
            room -= len(file.text)
            chosen[file.path] = file
    return tuple(file for _, file in sorted(chosen.items()))


def query_lines(above: list[str], below: list[str]) -> list[str]:
    """The window around the caret, out of the whole lines above and below the caret's own.

    Its upper part ends at a multiple of QUERY_STEP lines from the top of the file, its lower part begins at one from
    the bottom: it stays put while the user types a few lines or moves the caret a few lines through existing code.
    Where fewer lines than a step exist, all of them are taken.
    """
    end = len(above) - len(above) % QUERY_STEP or len(above)
    start = len(below) % QUERY_STEP if len(below) >= QUERY_STEP else 0
    return above[max(0, end - QUERY_LINES_ABOVE) : end] + below[start : start + QUERY_LINES_BELOW]
