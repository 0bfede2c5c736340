"""Running cases through the completion logic of the editor: several at a time, resumable after every case.

The request's caret stays "auto", so the logic decides itself between the rest of a line and a block, as it would while
somebody types; nothing of the true middle is known to it. Cases of one project follow one another, so that its files
are read and ranked once. Cost: one prompt and one greedy generation per case.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest
from midspan.context.project import Project
from midspan.data.cases import Case, with_projects
from midspan.data.corpus import Document
from midspan.engine.batch import Journal, Record, run_resumable
from midspan.evaluate.metrics import Scores, score
from midspan.recipe.progress import Task


@dataclass(frozen=True)
class Prediction:
    """What the completion logic answered in one case. Times in milliseconds, `logprob` the mean per token."""

    case_id: str
    suggestion: str
    dropped: str
    stop_reason: str
    prompt_tokens: int
    cached_tokens: int
    latency_ms: float
    logprob: float
    scores: Scores
    end_probability: float | None = None
    """See `midspan.evaluate.ending`; known once that was computed."""

    def to_record(self) -> dict[str, Any]:
        """JSON values, the scores beside the other fields."""
        record = asdict(self)
        scores: dict[str, Any] = record.pop("scores")
        return record | scores

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Prediction":
        """The inverse of `to_record`."""
        names = Scores.__dataclass_fields__
        scores = Scores(**{name: record[name] for name in names})
        return cls(**{name: value for name, value in record.items() if name not in names}, scores=scores)


async def run_cases(
    completer: Completer,
    cases: list[Case],
    projects: Callable[[], Iterable[tuple[str, list[Document]]]],
    max_new_tokens: int,
    journal: Journal,
    workers: int,
    task: Task,
) -> list[Prediction]:
    """One prediction per case, in the order of the cases; those in the journal are not computed again."""

    async def work(_: str, item: tuple[Case, Project]) -> Record:
        case, project = item
        return (await predict(completer, case, project, max_new_tokens)).to_record()

    records = await run_resumable(with_projects(cases, projects), work, journal, workers, task)
    return [Prediction.from_record(records[case.id]) for case in cases]


async def predict(completer: Completer, case: Case, project: Project, max_new_tokens: int) -> Prediction:
    """Ask for one suggestion and score it; a dropped suggestion is an empty one, as in the editor."""
    suggestion = await completer.complete(
        CompletionRequest(case.path, case.prefix, case.suffix, project, max_new_tokens=max_new_tokens)
    )
    return Prediction(
        case_id=case.id,
        suggestion=suggestion.text,
        dropped=suggestion.dropped,
        stop_reason=suggestion.stop_reason,
        prompt_tokens=suggestion.prompt_tokens,
        cached_tokens=suggestion.cached_tokens,
        latency_ms=round(suggestion.timings.total_ms, 3),
        logprob=suggestion.logprob,
        scores=score(_after(case, suggestion.replace), suggestion.text),
    )


def _after(case: Case, replaced: int) -> Case:
    """The case with what a suggestion replaces as part of the truth."""
    return replace(case, middle=case.middle + case.suffix[:replaced], suffix=case.suffix[replaced:])
