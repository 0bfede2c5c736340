"""The candidates of a case: its samples and their shortened versions, put to the hard checks, then to the judge.

What fails a check is worth 0 and is not put to a judge that would have to look at it; what the judge says nothing
about is no candidate.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from midspan.data.cases import Case
from midspan.data.corpus import Document
from midspan.prefer.judges.checks import failed_check
from midspan.prefer.judges.judge import Judge, Verdict
from midspan.prefer.judges.verbatim import recited
from midspan.prefer.pairs import Candidate
from midspan.prefer.sampling import Sampled
from midspan.prefer.shorten import shorter_versions
from midspan.recipe.progress import Task

Origin = tuple[Literal["sampled", "shortened", "truth"], bool, float]
Origins = Mapping[str, Origin]


async def judge_all(
    cases: Sequence[Case],
    sampled: Mapping[str, Sampled],
    judge: Judge,
    include_truth: bool,
    training: Callable[[], Iterable[Document]],
    task: Task,
) -> dict[str, list[Candidate]]:
    """The candidates of all cases by case id; `judge.parallel` cases are judged side by side.

    `training()` yields the training text once for the check `verbatim`. The first error of the judge ends the work.
    """
    origins = {case.id: candidate_texts(case, sampled[case.id], include_truth) for case in cases}
    reciting = recited(training(), {case: list(origins[case.id]) for case in cases})
    judged: dict[str, list[Candidate]] = {}
    queue = iter(cases)

    async def drain() -> None:
        for case in queue:
            judged[case.id] = await judged_candidates(case, origins[case.id], judge, reciting.get(case.id, set()))
            task.advance()
            task.say(judge.status())

    workers = [asyncio.create_task(drain()) for _ in range(judge.parallel)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
    return {case.id: judged[case.id] for case in cases}


def candidate_texts(case: Case, sampled: Sampled, include_truth: bool) -> dict[str, Origin]:
    """All texts with their origin, no text twice; `include_truth` adds the text that really stood there.

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
    return origins


async def judged_candidates(case: Case, origins: Origins, judge: Judge, reciting: Iterable[str]) -> list[Candidate]:
    """The candidates of one case in the order of `origins`; the texts in `reciting` fail the check `verbatim`."""
    failed = {text: "verbatim" if text in reciting else failed_check(case, text) for text in origins}
    asked = [text for text in origins if judge.sees_failed or not failed[text]]
    verdicts: dict[str, Verdict | None] = dict.fromkeys(origins, Verdict(0.0, ""))
    verdicts.update(zip(asked, await judge.judge(case, asked), strict=True))
    return [
        Candidate(text, *origin, verdict.score, failed[text], verdict.reason)
        for text, origin in origins.items()
        if (verdict := verdicts[text]) is not None
    ]
