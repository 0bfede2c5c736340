"""Stage `prefer`: cases of the training split -> completions sampled from `sft` -> judged -> `pairs.parquet`.

`pairs.html` shows a sample of the pairs. Sampling is the long part and resumes per case; judging with a model that
costs something keeps its answers beside the run's stages; pairing is quick and done anew. Cost: cases x (one prompt
+ temperatures x samples_per_temperature generations), one generation at a time: llama.cpp's rounding depends on what it
computes beside a generation and on what its cache holds, and the same inputs shall give the same bytes, killed in
between or not.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from midspan.context.project import Project
from midspan.data.cases import Case, draw_cases, with_projects
from midspan.data.corpus import documents, projects
from midspan.engine.batch import Journal, Record, run_resumable
from midspan.engine.open import open_engine
from midspan.errors import MidspanError
from midspan.model.gguf_export import export_gguf
from midspan.prefer.candidates import judge_all
from midspan.prefer.judges.choose import ANSWERS_FILE, judge_for
from midspan.prefer.judges.feedback import feedback_samples, read_feedback
from midspan.prefer.page import write_page
from midspan.prefer.pairs import Candidate, Pair, balance, even_out, make_pairs
from midspan.prefer.sampling import Sampled, sample_case
from midspan.prefer.table import pair_row, write_pairs
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.progress import Task
from midspan.recipe.schema import PreferConfig
from midspan.recipe.stage import Metrics, StageContext

WORKERS = 1
"""Also the engine's slots."""


def run(context: StageContext) -> Metrics:
    """Write `pairs.parquet` and `pairs.html`. Raises MidspanError if no case gives a pair."""
    started = time.monotonic()
    recipe = context.recipe
    tokenizer = Tokenizer.load(context.inputs["tokenizer"])
    form = detect_format(tokenizer)
    if recipe.prefer.judge == "feedback":
        feedback = read_feedback(Path(recipe.prefer.labels or "").expanduser())
        cases, sampled = feedback.cases, feedback_samples(feedback, tokenizer, form, recipe.prompt)
    else:
        cases = _cases(context)
        sampled = asyncio.run(_sample(context, cases))
    samples = sum(len(one.samples) for one in sampled.values())
    candidates, judged = asyncio.run(_judge(context, cases, sampled))
    pairs, found = pairs_of(cases, candidates, recipe.prefer)
    if not pairs:
        raise MidspanError(
            f"{len(cases)} cases with {samples} samples gave no preference pair",
            "train `sft` longer, lower [prefer] min_margin or raise [prefer] cases",
        )
    by_id, judge = {case.id: case for case in cases}, recipe.prefer.judge
    write_pairs(
        (pair_row(pair, by_id[pair.case_id], sampled[pair.case_id], judge, tokenizer, form) for pair in pairs),
        context.work / "pairs.parquet",
    )
    write_page(pairs, by_id, judge, context.work / "pairs.html")
    return {
        "cases": len(cases),
        "samples": samples,
        "pairs": len(pairs),
        "chosen_shorter": sum(pair.direction < 0 for pair in pairs),
        "chosen_longer": sum(pair.direction > 0 for pair in pairs),
        "chosen_length_mean": round(sum(pair.chosen.length for pair in pairs) / len(pairs), 2),
        "rejected_length_mean": round(sum(pair.rejected.length for pair in pairs) / len(pairs), 2),
        "pairs_balanced_away": found - len(pairs),
        **judged,
        "seconds": round(time.monotonic() - started, 1),
    }


def _cases(context: StageContext) -> list[Case]:
    recipe, corpus = context.recipe, context.inputs["data"]
    cases = draw_cases(lambda: projects(corpus, "train"), recipe.prefer.cases, recipe.fim, recipe.seed)
    if not cases:
        raise MidspanError("stage prefer found no place to complete in the training split", "add sources to [data]")
    return cases


def pairs_of(
    cases: Sequence[Case], candidates: Mapping[str, Sequence[Candidate]], config: PreferConfig
) -> tuple[list[Pair], int]:
    """The balanced pairs of all cases, in the order of the cases, and their number before balancing."""
    pairs = [
        pair
        for case in cases
        for pair in make_pairs(case.id, candidates[case.id], config.min_margin, config.max_pairs_per_case)
    ]
    return balance(even_out(pairs, {case.id: (case.language, case.kind) for case in cases})), len(pairs)


async def _judge(
    context: StageContext, cases: Sequence[Case], sampled: Mapping[str, Sampled]
) -> tuple[dict[str, list[Candidate]], Metrics]:
    """The candidates by case id, and what the judge has to say of its work."""
    config = context.recipe.prefer
    # The true middle of feedback is what a user made of a suggestion.
    with_truth = config.include_truth or config.judge == "feedback"
    judge = judge_for(config, context.work.parent / ANSWERS_FILE, context.progress)
    try:
        with context.progress.task("judge completions", len(cases)) as task:
            candidates = await judge_all(
                cases, sampled, judge, with_truth, lambda: documents(context.inputs["data"], "train"), task
            )
    finally:
        await judge.close()
    return candidates, judge.metrics()


async def _sample(context: StageContext, cases: Sequence[Case]) -> dict[str, Sampled]:
    recipe = context.recipe
    model = context.resume / "sft.gguf"
    if not model.exists():
        export_gguf(context.inputs["sft"] / "hf", model, "f16")
    engine = await open_engine(str(model), runs=Path(), threads=None, slots=WORKERS)
    try:
        with context.progress.task("sample completions", len(cases)) as task:
            speed = _Speed(task)

            async def work(_: str, item: tuple[Case, Project]) -> Record:
                case, project = item
                sampled = await sample_case(engine, project, case, recipe.prompt, recipe.prefer, recipe.seed)
                speed.add(sampled)
                return sampled.to_record()

            items = with_projects(cases, lambda: projects(context.inputs["data"], "train"))
            journal = Journal(context.resume / "samples.jsonl")
            records = await run_resumable(items, work, journal, WORKERS, task)
    finally:
        await engine.close()
    return {key: Sampled.from_record(record) for key, record in records.items()}


class _Speed:
    """Says how fast completions are drawn, those of an earlier run aside."""

    def __init__(self, task: Task) -> None:
        self._task, self._started = task, time.monotonic()
        self._samples = self._tokens = 0

    def add(self, sampled: Sampled) -> None:
        self._samples += sampled.drawn
        self._tokens += sampled.generated
        seconds = max(time.monotonic() - self._started, 1e-9)
        self._task.say(f"{self._samples / seconds:,.1f} samples/s, {self._tokens / seconds:,.0f} tokens/s")
