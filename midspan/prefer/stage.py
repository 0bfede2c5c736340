"""Stage `prefer`: cases of the training split -> completions sampled from `sft` -> judged -> `pairs.parquet`.

Sampling is the long part and resumes per case; judging and pairing are quick and done anew. Cost: cases x (one prompt
+ temperatures x samples_per_temperature generations), one generation at a time: llama.cpp's rounding depends on what it
computes beside a generation and on what its cache holds, and the same inputs shall give the same bytes, killed in
between or not.
"""

import asyncio
import time
from pathlib import Path

from midspan.context.project import Project
from midspan.data.cases import Case, draw_cases, with_projects
from midspan.data.corpus import projects
from midspan.engine.batch import Journal, Record, run_resumable
from midspan.engine.open import open_engine
from midspan.errors import MidspanError
from midspan.model.gguf_export import export_gguf
from midspan.prefer.candidates import judged_candidates
from midspan.prefer.judges.judge import Judge
from midspan.prefer.judges.reference import ReferenceJudge
from midspan.prefer.pairs import Pair, balance, make_pairs
from midspan.prefer.sampling import Sampled, sample_case
from midspan.prefer.table import pair_row, write_pairs
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import PreferConfig
from midspan.recipe.stage import Metrics, StageContext

WORKERS = 1
"""Also the engine's slots."""
JUDGES: dict[str, Judge] = {"reference": ReferenceJudge()}


def run(context: StageContext) -> Metrics:
    """Write `pairs.parquet`. Raises MidspanError if no case gives a pair."""
    started = time.monotonic()
    recipe, corpus = context.recipe, context.inputs["data"]
    cases = draw_cases(lambda: projects(corpus, "train"), recipe.prefer.cases, recipe.fim, recipe.seed)
    if not cases:
        raise MidspanError("stage prefer found no place to complete in the training split", "add sources to [data]")
    sampled = asyncio.run(_sample(context, cases))
    samples = sum(len(one.samples) for one in sampled.values())
    judge = JUDGES[recipe.prefer.judge]
    pairs = pairs_of(cases, sampled, judge, recipe.prefer)
    if not pairs:
        raise MidspanError(
            f"{len(cases)} cases with {samples} samples gave no preference pair",
            "train `sft` longer, lower [prefer] min_margin or raise [prefer] cases",
        )
    tokenizer = Tokenizer.load(context.inputs["tokenizer"])
    form = detect_format(tokenizer)
    by_id = {case.id: case for case in cases}
    write_pairs(
        (pair_row(pair, by_id[pair.case_id], sampled[pair.case_id], judge.name, tokenizer, form) for pair in pairs),
        context.work / "pairs.parquet",
    )
    return {
        "cases": len(cases),
        "samples": samples,
        "pairs": len(pairs),
        "chosen_shorter": sum(pair.direction < 0 for pair in pairs),
        "chosen_longer": sum(pair.direction > 0 for pair in pairs),
        "chosen_length_mean": round(sum(pair.chosen.length for pair in pairs) / len(pairs), 2),
        "rejected_length_mean": round(sum(pair.rejected.length for pair in pairs) / len(pairs), 2),
        "seconds": round(time.monotonic() - started, 1),
    }


def pairs_of(cases: list[Case], sampled: dict[str, Sampled], judge: Judge, config: PreferConfig) -> list[Pair]:
    """The balanced pairs of all cases, in the order of the cases."""
    pairs: list[Pair] = []
    for case in cases:
        candidates = judged_candidates(case, sampled[case.id], judge, config.include_truth)
        pairs.extend(make_pairs(case.id, candidates, config.min_margin, config.max_pairs_per_case))
    return balance(pairs)


async def _sample(context: StageContext, cases: list[Case]) -> dict[str, Sampled]:
    recipe = context.recipe
    model = context.resume / "sft.gguf"
    if not model.exists():
        export_gguf(context.inputs["sft"] / "hf", model, "f16")
    engine = await open_engine(str(model), runs=Path(), threads=None, slots=WORKERS)

    async def work(_: str, item: tuple[Case, Project]) -> Record:
        case, project = item
        sampled = await sample_case(engine, project, case, recipe.prompt, recipe.prefer, recipe.seed)
        return sampled.to_record()

    try:
        with context.progress.task("sample completions", len(cases)) as task:
            items = with_projects(cases, lambda: projects(context.inputs["data"], "train"))
            journal = Journal(context.resume / "samples.jsonl")
            records = await run_resumable(items, work, journal, WORKERS, task)
    finally:
        await engine.close()
    return {key: Sampled.from_record(record) for key, record in records.items()}
