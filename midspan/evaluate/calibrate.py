"""Fitting a calibration: what a model's log-probabilities say about whether its suggestion is right.

The cases come from projects held out for validation: the model has not seen them, and evaluation reports on others. A
suggestion is right if it is what really stood at the caret, or whole lines that this begins with. The projects are
parted into two halves: on one the numbers are fitted, on the other the expected calibration error is measured (Guo et
al., arXiv 1706.04599), before and after. A logistic regression by Newton's method over all languages; then, for every
language with enough cases, factor and shift of its score (Platt), both drawn towards no change by a ridge.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest
from midspan.data.cases import Case, with_projects
from midspan.data.corpus import Document
from midspan.engine.calibration import Calibration
from midspan.errors import MidspanError
from midspan.recipe.progress import Task

BINS = 10
RIDGE = 1.0
"""Strength of the pull to zero, in units of cases."""
MIN_CASES, MIN_EACH = 60, 8
"""Cases a language needs for numbers of its own, and how many of them must be right and wrong."""
STEPS = 50

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """A suggestion that was shown: what is known of it, the probability the model gave it, and whether it was right."""

    project: str
    language: str
    figures: tuple[float, ...]
    raw: float
    right: bool


async def outcomes(
    completer: Completer,
    cases: list[Case],
    projects: Callable[[], Iterable[tuple[str, list[Document]]]],
    task: Task,
) -> list[Outcome]:
    """One for each case in which the completer, whose engine must have no calibration, suggests anything."""
    found = []
    for _, (case, project) in with_projects(cases, projects):
        suggestion = await completer.complete(CompletionRequest(case.path, case.prefix, case.suffix, project))
        if suggestion.text:
            right = is_right(suggestion.text, case.middle + case.suffix[: suggestion.replace])
            found.append(Outcome(case.project, case.language, suggestion.figures, suggestion.confidence, right))
        task.advance()
    return found


def is_right(suggestion: str, truth: str) -> bool:
    """Whether the suggestion is the truth or whole lines at its beginning, whitespace around both aside."""
    suggestion, truth = suggestion.strip(), truth.strip()
    return truth.startswith(suggestion) and truth[len(suggestion) :][:1] in ("", "\n", "\r")


def calibrate(found: Sequence[Outcome]) -> Calibration:
    """Fit on one half and measure on the other. Raises MidspanError if there is too little to fit or to measure."""
    fitted, held_out = halves(found)
    for half in (fitted, held_out):
        count = sum(outcome.right for outcome in half)
        if count in (0, len(half)):
            raise MidspanError(
                f"{count} of {len(half)} suggestions are right: nothing to calibrate on",
                "ask for more --cases, or train the model longer",
            )
    calibration = fit(fitted)
    right = [outcome.right for outcome in held_out]
    return calibration.model_copy(
        update={
            "cases": len(fitted),
            "held_out": len(held_out),
            "error_before": expected_error([outcome.raw for outcome in held_out], right),
            "error_after": expected_error(
                [calibration.probability(outcome.figures, outcome.language) for outcome in held_out], right
            ),
        }
    )


def halves(found: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Two parts of about the same size that share no project."""
    names = sorted({outcome.project for outcome in found}, key=lambda name: hashlib.sha256(name.encode()).digest())
    sizes = {name: sum(outcome.project == name for outcome in found) for name in names}
    first: set[str] = set()
    for name in names:
        if sum(sizes[chosen] for chosen in first) + sizes[name] / 2 <= len(found) / 2:
            first.add(name)
    parts = [outcome for outcome in found if outcome.project in first]
    return parts, [outcome for outcome in found if outcome.project not in first]


def fit(found: Sequence[Outcome]) -> Calibration:
    """The numbers for these outcomes."""
    figures = np.array([outcome.figures for outcome in found], dtype=float)
    right = np.array([outcome.right for outcome in found], dtype=float)
    mean, spread = figures.mean(0), figures.std(0)
    spread[spread == 0] = 1.0
    standard = np.column_stack([(figures - mean) / spread, np.ones(len(found))])
    solved = _logistic(standard, right, np.append(np.full(len(mean), RIDGE), 1e-6), np.zeros(len(mean) + 1))
    weights = solved[:-1] / spread
    bias = float(solved[-1] - weights @ mean)
    scores = figures @ weights + bias
    languages = {}
    for language in sorted({outcome.language for outcome in found}):
        own = np.array([outcome.language == language for outcome in found])
        count = right[own].sum()
        if own.sum() >= MIN_CASES and MIN_EACH <= count <= own.sum() - MIN_EACH:
            inputs = np.column_stack([scores[own], np.ones(own.sum())])
            factor, shift = _logistic(inputs, right[own], np.full(2, RIDGE), np.array([1.0, 0.0]))
            languages[language] = (float(factor), float(shift))
    return Calibration(weights=tuple(map(float, weights)), bias=bias, languages=languages)


def expected_error(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    """Expected calibration error: the mean distance of probability and share of right ones over equal bins."""
    bins = [bin_of(probability) for probability in probabilities]
    error = 0.0
    for number in range(BINS):
        inside = [index for index, bin in enumerate(bins) if bin == number]
        error += abs(sum(probabilities[index] - right[index] for index in inside))
    return error / len(right)


def bin_of(probability: float) -> int:
    """The number of the bin, from 0, that a probability falls into."""
    return min(BINS - 1, math.floor(probability * BINS))


def _logistic(inputs: Array, right: Array, ridge: Array, start: Array) -> Array:
    """Weights that maximise the likelihood less `ridge` / 2 times the squared distance from `start`."""
    weights = start.copy()
    for _ in range(STEPS):
        probabilities = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -500, 500)))
        gradient = inputs.T @ (right - probabilities) - ridge * (weights - start)
        curvature = (inputs * (probabilities * (1 - probabilities))[:, None]).T @ inputs + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step * min(1.0, 5.0 / max(1e-12, float(np.abs(step).max())))
        if float(np.abs(step).max()) < 1e-9:
            break
    return weights
