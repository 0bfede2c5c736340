"""The hard check `verbatim`: a completion that recites training text of another project.

A completion recites if consecutive lines of it, blank lines aside and trimmed, with at least `MIN_CHARACTERS` letters
and digits together, stand in the same order in a training file of another project than the case's. 200 letters and
digits are about the 50 tokens from which on Carlini et al. (2022, arXiv 2202.07646) call text memorised. Lines that the
true middle or the text before the caret holds too are not recited, and text of the case's own project is what a good
completion looks like. The lines at both ends are read with the rest of the caret's line.

Cost: one pass over the training split, splitting each file into lines (about 50 MB/s on one core), and memory for the
completions' lines only; a file is looked at closely only if it holds a long line of a completion.
"""

from collections.abc import Iterable, Mapping, Sequence

from midspan.data.cases import Case
from midspan.data.corpus import Document

MIN_CHARACTERS = 200

Window = tuple[str, ...]


def recited(documents: Iterable[Document], completions: Mapping[Case, Sequence[str]]) -> dict[str, set[str]]:
    """The completions of each case (by its id) that recite one of the documents."""
    keys: dict[str, list[tuple[Window, str, str, str]]] = {}
    for case, texts in completions.items():
        for text in texts:
            for window in windows(case, text):
                entry = (window, case.project, case.id, text)
                keys.setdefault(max(window, key=len), []).append(entry)
    found: dict[str, set[str]] = {}
    for document in documents:
        lines = _lines(document.text)
        shared = keys.keys() & lines
        if not shared:
            continue
        joined = _joined(lines)
        for key in shared:
            for window, project, case_id, text in keys[key]:
                if project != document.project and _joined(window) in joined:
                    found.setdefault(case_id, set()).add(text)
    return found


def windows(case: Case, text: str) -> list[Window]:
    """The shortest runs of lines of `text` that are long enough to be recited, one from each line at which one starts.

    None holds a line that the true middle or the text before the caret holds.
    """
    line_before, rest = case.prefix[case.prefix.rfind("\n") + 1 :], case.suffix.partition("\n")[0]
    own = {*_lines(case.prefix), *_lines(line_before + case.middle + rest)}
    runs: list[list[str]] = [[]]
    for line in _lines(line_before + text + rest):
        if line in own:
            runs.append([])
        else:
            runs[-1].append(line)
    return [window for run in runs for window in _long_enough(run)]


def _long_enough(lines: Sequence[str]) -> Iterable[Window]:
    weights = [sum(map(str.isalnum, line)) for line in lines]
    for start in range(len(lines)):
        total = 0
        for end in range(start, len(lines)):
            total += weights[end]
            if total >= MIN_CHARACTERS:
                yield tuple(lines[start : end + 1])
                break


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.split("\n")) if line]


def _joined(lines: Sequence[str]) -> str:
    return "\n" + "\n".join(lines) + "\n"
