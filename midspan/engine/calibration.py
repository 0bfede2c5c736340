"""From what an engine says of a generation to the probability that the suggestion made of it is right.

A model's own probabilities are no such thing: trained on one distribution and read off another, they are too high or
too low by an amount that differs between models and languages. So a logistic regression over a few figures of the
generation is fitted on cases whose answer is known, and for each language with enough cases its score is moved and
stretched once more (Platt, 1999). What is fitted is a handful of numbers in `calibration.json` beside the model.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from midspan.errors import MidspanError

FILE = "calibration.json"
FIGURES = ("mean_logprob", "min_logprob", "first_logprob", "log_tokens", "ended", "stopped")
"""What is known of a suggestion: its tokens' natural log-probabilities, and why the generation was over (1 or 0)."""


class Calibration(BaseModel):
    """The fitted numbers. `languages` maps a language to factor and shift of its score; others take it as it is.

    `error_before` and `error_after` are the expected calibration errors on `held_out` cases it was not fitted on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    figures: tuple[str, ...] = FIGURES
    weights: tuple[float, ...]
    bias: float
    languages: dict[str, tuple[float, float]] = {}
    cases: int = 0
    held_out: int = 0
    error_before: float = 0.0
    error_after: float = 0.0

    def probability(self, figures: Sequence[float], language: str) -> float:
        """The probability that a suggestion with these `FIGURES` is right."""
        score = self.bias + sum(weight * figure for weight, figure in zip(self.weights, figures, strict=True))
        factor, shift = self.languages.get(language, (1.0, 0.0))
        return 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, factor * score + shift))))


def calibration_path(model: Path) -> Path:
    """Where the calibration of a model is kept: in its directory, or beside a file that stands alone."""
    if model.is_dir():
        return model / FILE
    if (model.parent / "manifest.json").is_file():
        return model.parent / FILE
    return model.with_suffix(f".{FILE}")


def read_calibration(model: Path) -> Calibration | None:
    """The calibration beside a model, None if there is none. Raises MidspanError if it cannot be read."""
    path = calibration_path(model)
    try:
        calibration = Calibration.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise MidspanError(f"{path} is no calibration this version can read", "remove it, or calibrate again") from None
    if calibration.figures != FIGURES or len(calibration.weights) != len(FIGURES):
        raise MidspanError(f"{path} was made by another version of midspan", "calibrate again")
    return calibration
