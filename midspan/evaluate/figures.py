"""The figures of evaluation: how each is summed over cases, what it is called, and which way is better.

A figure of many cases is a sum over a sum, so that it can be resampled by project. Most are means; of lengths and of
typing saved the characters count, so that a long truth weighs more than a short one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from midspan.data.cases import Case
from midspan.evaluate.run import Prediction

Better = Literal["higher", "lower", ""]
Share = tuple[float, float] | None
"""What a case adds to the numerator and to the denominator; None if it says nothing."""


@dataclass(frozen=True)
class Figure:
    """`title` heads a column; `percent` figures are shown times 100; `better` is "" where nearer to 1 is."""

    name: str
    title: str
    share: Callable[[Case, Prediction], Share]
    better: Better = "higher"
    percent: bool = True

    def text(self, value: float, signed: bool = False) -> str:
        """A value for people."""
        sign = "+" if signed else ""
        if self.percent:
            return f"{100 * value:{sign}.1f}"
        return f"{value:{sign}.1f}" if self.name == "chrf" else f"{value:{sign}.2f}"


def _mean(name: str) -> Callable[[Case, Prediction], Share]:
    def share(_: Case, prediction: Prediction) -> Share:
        value = getattr(prediction.scores, name)
        return None if value is None else (value, 1.0)

    return share


def _by_characters(name: str) -> Callable[[Case, Prediction], Share]:
    def share(case: Case, prediction: Prediction) -> Share:
        characters = float(len(case.middle) + prediction.answer.replace)
        return getattr(prediction.scores, name) * characters, characters

    return share


def _written(case: Case, prediction: Prediction) -> Share:
    return float(len(prediction.answer.suggestion.strip())), float(len(case.middle.strip()))


def _end(_: Case, prediction: Prediction) -> Share:
    return None if prediction.end_probability is None else (prediction.end_probability, 1.0)


def _cached(_: Case, prediction: Prediction) -> Share:
    tokens = prediction.answer.prompt_tokens
    return (float(prediction.answer.cached_tokens), float(tokens)) if tokens else None


_ALL: Sequence[Figure] = (
    Figure("em", "exact match", _mean("em")),
    Figure("kk", "KK", _mean("kk")),
    Figure("chrf", "chrF++", _mean("chrf"), percent=False),
    Figure("first_line_em", "first line exact", _mean("first_line_em")),
    Figure("perfect_lines", "perfect lines", _mean("perfect_lines")),
    Figure("line_match", "line match", _mean("line_match")),
    Figure("edit_similarity", "edit similarity", _mean("edit_similarity")),
    Figure("identifier_f1", "identifier F1", _mean("identifier_f1")),
    Figure("saved_whole", "typing saved, whole", _by_characters("saved_whole")),
    Figure("saved_by_line", "typing saved, by line", _by_characters("saved_by_line")),
    Figure("saved_by_word", "typing saved, by word", _by_characters("saved_by_word")),
    Figure("length_ratio", "length ratio", _written, "", percent=False),
    Figure("length_ratio_mean", "length ratio, mean", _mean("length_ratio"), "", percent=False),
    Figure("over_run", "over-run", _mean("over_run"), "lower"),
    Figure("under_run", "under-run", _mean("under_run"), "lower"),
    Figure("empty", "empty", _mean("empty"), "lower"),
    Figure("stub", "stubs", _mean("stub"), "lower"),
    Figure("valid", "valid syntax", _mean("valid")),
    Figure("recited", "recited", _mean("recited"), "lower"),
    Figure("end_probability", "end probability", _end),
    Figure("cached_share", "prompt from cache", _cached),
)
FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _ALL}
HEADLINE = ("em", "kk", "chrf", "saved_by_line", "length_ratio", "valid")
"""What a short table shows."""
