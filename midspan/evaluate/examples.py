"""A few readable completions to show at the end of a demo, picked by a rule that does not know what is right.

The rule: of the cases whose suggestion is not empty, readable (8 to 300 characters, at most 8 lines) and set in code
(a language with a grammar), take the one the model was most confident of (highest mean log-probability per token), then
the next most confident from another project and with another caret kind, and so on; where that leaves too few, the
caret kind may repeat, never the project. The truth is shown beside it, whether or not they agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from midspan.data.cases import Case
from midspan.evaluate.run import Prediction
from midspan.syntax.languages import LANGUAGES

RULE = "the most confident non-empty suggestions, each from another project, with different caret kinds where possible"
MIN_CHARACTERS, MAX_CHARACTERS, MAX_LINES = 8, 300, 8
LINES_BEFORE, LINES_AFTER = 12, 6


@dataclass(frozen=True)
class Example:
    """One completion to show: `before + suggestion + after` is the text around the caret."""

    case_id: str
    project: str
    path: str
    language: str
    kind: str
    licence: str
    before: str
    suggestion: str
    after: str
    truth: str
    logprob: float


def pick_examples(cases: Sequence[Case], predictions: Sequence[Prediction], count: int = 3) -> list[Example]:
    """At most `count` examples, the most confident first."""
    readable = [pair for pair in zip(cases, predictions, strict=True) if _is_readable(*pair)]
    ranked = sorted(readable, key=lambda pair: (-pair[1].answer.logprob, pair[0].id))
    picked: list[tuple[Case, Prediction]] = []
    for repeat_kinds in (False, True):
        for case, prediction in ranked:
            fresh = all(case.project != other.project for other, _ in picked)
            new_kind = all(case.kind != other.kind for other, _ in picked)
            if len(picked) < count and fresh and (new_kind or repeat_kinds):
                picked.append((case, prediction))
    return [_example(case, prediction) for case, prediction in picked]


def _is_readable(case: Case, prediction: Prediction) -> bool:
    text = prediction.answer.suggestion.strip()
    return (
        MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS
        and len(text.splitlines()) <= MAX_LINES
        and case.language in LANGUAGES
    )


def _example(case: Case, prediction: Prediction) -> Example:
    return Example(
        case_id=case.id,
        project=case.project,
        path=case.path,
        language=case.language,
        kind=case.kind,
        licence=case.licence,
        before="".join(case.prefix.splitlines(keepends=True)[-LINES_BEFORE:]),
        suggestion=prediction.answer.suggestion,
        after="".join(case.suffix.splitlines(keepends=True)[:LINES_AFTER]),
        truth=case.middle,
        logprob=prediction.answer.logprob,
    )
