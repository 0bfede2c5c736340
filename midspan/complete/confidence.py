"""How sure the model was of a suggestion, read off the tokens that are left of its generation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from midspan.engine.calibration import Calibration
from midspan.engine.protocol import Delta, StopReason


@dataclass(frozen=True)
class Evidence:
    """What is known of a generation: its pieces with their log-probabilities, why it stopped, and what such figures
    mean for this model (None: nobody has measured it).
    """

    pieces: tuple[Delta, ...]
    stop_reason: StopReason
    language: str = ""
    calibration: Calibration | None = None

    def confidence(self, text: str) -> float:
        """The probability that the beginning `text` of the generation is right; 0 if it is empty.

        Without calibration it is the probability that the model itself gives the text. Steps may have changed its
        whitespace, and nothing else.
        """
        logprobs = kept_logprobs(self.pieces, text)
        if not logprobs:
            return 0.0
        if self.calibration is None:
            return math.exp(min(0.0, sum(logprobs)))
        return self.calibration.probability(self.figures(text), self.language)

    def figures(self, text: str) -> tuple[float, ...]:
        """The `FIGURES` of a calibration for the beginning `text`; none if it is empty."""
        logprobs = kept_logprobs(self.pieces, text)
        return figures_of(logprobs, self.stop_reason) if logprobs else ()


def kept_logprobs(pieces: Sequence[Delta], text: str) -> tuple[float, ...]:
    """The log-probabilities of the pieces that hold the visible characters of `text`."""
    left = sum(map(len, text.split()))
    logprobs: list[float] = []
    for piece in pieces:
        if left <= 0:
            break
        logprobs += piece.logprobs
        left -= sum(map(len, piece.text.split()))
    return tuple(logprobs)


def figures_of(logprobs: Sequence[float], stop_reason: StopReason) -> tuple[float, ...]:
    """The `FIGURES` of a calibration, for a text made of tokens with these log-probabilities (at least one)."""
    return (
        sum(logprobs) / len(logprobs),
        min(logprobs),
        logprobs[0],
        math.log(len(logprobs)),
        float(stop_reason == "end"),
        float(stop_reason == "stop"),
    )
