"""Whether confidences mean what they say: of the suggestions made with 70 % confidence, are 70 % right?

Suggestions are put into equal bins by confidence (Guo et al., arXiv 1706.04599); right is as in `calibrate`: the truth,
or whole lines at its beginning. The expected calibration error is the mean distance between the two.
"""

from collections.abc import Sequence
from typing import Any

from midspan.data.cases import Case
from midspan.evaluate.calibrate import BINS, bin_of, expected_error, is_right
from midspan.evaluate.run import Prediction, after


def reliability(cases: Sequence[Case], predictions: Sequence[Prediction]) -> dict[str, Any] | None:
    """`ece`, `suggestions` and `bins` with `count`, mean `confidence` and share `right`; None without confidences."""
    shown = [
        (prediction.answer.confidence, is_right(prediction.answer.suggestion, after(case, answer.replace).middle))
        for case, prediction in zip(cases, predictions, strict=True)
        if (answer := prediction.answer).suggestion and answer.confidence is not None
    ]
    if not shown:
        return None
    confidences, right = [confidence or 0.0 for confidence, _ in shown], [each for _, each in shown]
    bins = []
    for number in range(BINS):
        inside = [index for index, confidence in enumerate(confidences) if bin_of(confidence) == number]
        if inside:
            bins.append(
                {
                    "from": number / BINS,
                    "count": len(inside),
                    "confidence": round(sum(confidences[index] for index in inside) / len(inside), 4),
                    "right": round(sum(right[index] for index in inside) / len(inside), 4),
                }
            )
    return {"suggestions": len(shown), "ece": round(expected_error(confidences, right), 4), "bins": bins}
