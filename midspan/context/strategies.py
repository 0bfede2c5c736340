"""The strategies that choose context for a caret, behind one function, `rank`.

The blueprint's three (stage 2):

* `iou`: the files of the current directory, by IoU of their lines with the current file's.
* `path_distance`: all files, those fewest directory steps away first.
* `rag`: windows of lines of the nearest and of the recently opened or edited files, by IoU of their BPE tokens with the
  window around the caret; the best windows over all files win.

And ours, `coverage` (see that module).

None of them sees the text between prefix and suffix, and none looks at the caret's own line: what is being typed must
not move the context, or every keystroke would throw away the engine's cache. For the same reason the window around the
caret moves in steps of a few lines. Equal scores are decided by path, then by line.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from midspan.context.caret import Caret, Spot
from midspan.context.coverage import by_coverage
from midspan.context.layout import directory_of
from midspan.context.project import Chunk, File, Project
from midspan.context.sets import Feature
from midspan.context.similarity import LINES, WORDS, Encoder, iou, iou_with_each, line_set, tokens_of, window_tokens
from midspan.context.windows import apart, windows_of
from midspan.recipe.schema import Strategy

MAX_CANDIDATES = 512
MAX_CANDIDATE_CHARS = 3_000_000
"""What `rag` looks into, by path distance; recent files come on top."""
CHARS_PER_TOKEN = 6
"""More characters than a token of source code stands for on average, so that ranking need not count tokens."""


def rank(
    project: Project,
    path: str,
    prefix: str,
    suffix: str,
    strategy: Strategy,
    *,
    encoder: Encoder,
    token_budget: int,
    recent: Sequence[str] = (),
    edited: Sequence[Spot] = (),
) -> list[Chunk]:
    """Chunks of other files than `path` for a caret between `prefix` and `suffix`, best first.

    The chunks are at least what `token_budget` tokens can hold, as far as the project has so much. `recent` are paths
    the user opened lately, `edited` places edited lately; those that are not in the project are passed over.
    """
    caret = Caret.at(path, prefix, suffix, recent, edited)
    room = token_budget * CHARS_PER_TOKEN
    match strategy:
        case "none":
            return []
        case "iou":
            chunks: Iterable[Chunk] = _by_lines(project, caret)
        case "path_distance":
            chunks = _by_distance(project, caret)
        case "rag":
            chunks = _by_windows(project, caret, encoder)
        case "coverage":
            chunks = by_coverage(project, caret, room)
    return _enough(chunks, room)


def features_of(strategy: Strategy, encoder: Encoder) -> list[Feature]:
    """What `strategy` asks of the files, so that an index can compute it beforehand."""
    match strategy:
        case "iou":
            return [LINES]
        case "rag":
            return [window_tokens(encoder)]
        case "coverage":
            return [WORDS]
        case _:
            return []


def _enough(chunks: Iterable[Chunk], room: int) -> list[Chunk]:
    """The first chunks, until there is surely more text than `room` characters."""
    chosen: list[Chunk] = []
    for chunk in chunks:
        if room <= 0:
            break
        chosen.append(chunk)
        room -= len(chunk.text)
    return chosen


def _by_lines(project: Project, caret: Caret) -> Iterator[Chunk]:
    """Whole files of the current directory, those most alike first."""
    siblings = project.layout.inside.get(directory_of(caret.path), ())
    files = [project.files[path] for path in siblings if path != caret.path and project.files[path].size]
    query = line_set([*caret.above, *caret.below])
    scores = [iou(query, lines.items) for lines in project.features(LINES, files)]
    for score, file in sorted(zip(scores, files, strict=True), key=lambda scored: (-scored[0], scored[1].path)):
        yield Chunk(file.path, file.text, 0, score, f"same directory, {score:.0%} of lines shared")


def _by_distance(project: Project, caret: Caret) -> Iterator[Chunk]:
    """Whole files, the nearest first."""
    for steps, path in project.layout.outwards(directory_of(caret.path)):
        if path != caret.path and project.files[path].size:
            yield Chunk(path, project.files[path].text, 0, 1 / (1 + steps), _distance_reason(steps))


def _distance_reason(steps: int) -> str:
    if steps == 0:
        return "same directory"
    return f"{steps} directory step{'s' if steps > 1 else ''} away"


def _by_windows(project: Project, caret: Caret, encoder: Encoder) -> Iterator[Chunk]:
    """Windows with any token in common, best first; of windows that overlap only the best."""
    query = np.array(sorted(tokens_of("".join(caret.around), encoder)), np.uint32)
    windows = windows_of(project, _candidates(project, caret), window_tokens(encoder))
    scores = iou_with_each(query, windows.sets)
    scores[windows.of(caret.path)] = 0.0
    ranked = (int(window) for window in np.argsort(-scores, kind="stable"))
    for window in apart(windows, ranked):
        score = float(scores[window])
        if score == 0.0:
            return
        path, first, lines = windows.excerpt(project, window)
        reason = f"lines {first + 1}-{first + len(lines)} share {score:.0%} of tokens with the code around the caret"
        yield Chunk(path, "".join(lines), first, score, reason + caret.note(path, first, first + len(lines)))


def _candidates(project: Project, caret: Caret) -> list[File]:
    """The nearest files and the recent ones, by path, so that equal scores come out in the order of paths."""
    chosen = {path for path in caret.lately if path in project.files}
    room = MAX_CANDIDATE_CHARS
    for _, path in islice(project.layout.outwards(directory_of(caret.path)), MAX_CANDIDATES):
        if project.files[path].size <= room:
            room -= project.files[path].size
            chosen.add(path)
    return [project.files[path] for path in sorted(chosen)]
