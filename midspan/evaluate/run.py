"""Predictions: the answers of a system with their scores."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from midspan.data.cases import Case
from midspan.evaluate.answers import Answer
from midspan.evaluate.metrics import Scores, score
from midspan.evaluate.verbatim import TrainingData


@dataclass(frozen=True)
class Prediction:
    """What a system answered in one case, and what that is worth."""

    case_id: str
    answer: Answer
    scores: Scores
    end_probability: float | None = None
    """See `midspan.evaluate.ending`; known once that was computed."""

    def to_record(self) -> dict[str, Any]:
        """JSON values: the fields of answer and scores beside the others."""
        return {
            "case_id": self.case_id,
            **asdict(self.answer),
            **asdict(self.scores),
            "end_probability": self.end_probability,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Prediction":
        """The inverse of `to_record`."""
        answer = Answer(**{name: record[name] for name in Answer.__dataclass_fields__})
        scores = Scores(**{name: record[name] for name in Scores.__dataclass_fields__})
        return cls(record["case_id"], answer, scores, record["end_probability"])


def scored(cases: Sequence[Case], answers: Sequence[Answer], training: TrainingData | None = None) -> list[Prediction]:
    """The predictions of a system; `training` is what it was trained on, if that is known."""
    return [_scored(case, answer, training) for case, answer in zip(cases, answers, strict=True)]


def _scored(case: Case, answer: Answer, training: TrainingData | None) -> Prediction:
    asked = after(case, answer.replace)
    scores = score(asked, answer.suggestion)
    if training is not None:
        scores = replace(scores, recited=training.recited(asked, answer.suggestion))
    return Prediction(case.id, answer, scores)


def after(case: Case, replaced: int) -> Case:
    """The case with what a suggestion replaces as part of the truth."""
    return replace(case, middle=case.middle + case.suffix[:replaced], suffix=case.suffix[replaced:])
