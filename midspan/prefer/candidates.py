"""The candidates of a case: its samples and their shortened versions, each judged and put to the hard checks."""

from typing import Literal

from midspan.data.cases import Case
from midspan.prefer.judges.checks import failed_check
from midspan.prefer.judges.judge import Judge
from midspan.prefer.pairs import Candidate
from midspan.prefer.sampling import Sampled
from midspan.prefer.shorten import shorter_versions

Origin = tuple[Literal["sampled", "shortened", "truth"], bool, float]


def judged_candidates(case: Case, sampled: Sampled, judge: Judge, include_truth: bool) -> list[Candidate]:
    """All candidates, no text twice; `include_truth` adds the text that really stood there.

    Without the truth, DPO only moves weight between answers that the model gives already.
    """
    origins: dict[str, Origin] = {}
    for sample in sampled.samples:
        if sample.text or sample.ended:
            origins[sample.text] = ("sampled", sample.ended, sample.temperature)
    for sample in sampled.samples:
        for text in shorter_versions(case, sample.text, sample.ended):
            if text not in origins or not origins[text][1]:
                origins[text] = ("shortened", True, sample.temperature)
    if include_truth and case.middle not in origins:
        origins[case.middle] = ("truth", True, 0.0)
    verdicts = judge.judge(case, list(origins))
    return [
        Candidate(text, *origin, verdict.score, failed_check(case, text), verdict.reason)
        for (text, origin), verdict in zip(origins.items(), verdicts, strict=True)
    ]
