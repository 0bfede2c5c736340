"""Stage `eval`: the models of a run on cases from its held-out projects.

Output: the results of `midspan.evaluate.results`, one system for each model, and examples of the last in the report.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from midspan.data.cases import Case
from midspan.data.corpus import Document, projects
from midspan.engine.open import open_engine
from midspan.evaluate.answers import ask
from midspan.evaluate.cases import held_out_cases
from midspan.evaluate.ending import end_probabilities
from midspan.evaluate.examples import RULE, pick_examples
from midspan.evaluate.results import write_results
from midspan.evaluate.run import Prediction, scored
from midspan.evaluate.systems import ModelSystem, Way
from midspan.evaluate.verbatim import TrainingData
from midspan.model.checkpoint import load_hf
from midspan.model.gguf_export import export_gguf
from midspan.recipe.stage import Metrics, StageContext

WORKERS = 2
TRAINING_STAGE = {"base": "pretrain", "sft": "sft", "dpo": "dpo"}
SHARES = ("edit_similarity", "line_match", "valid", "stub", "empty", "end_probability")
IN_METRICS = ("em", "chrf", "length_ratio", "kk", *SHARES)


def run(context: StageContext) -> Metrics:
    """Evaluate every stage that `[eval] stages` names."""
    recipe, corpus = context.recipe, context.inputs["data"]
    cases = held_out_cases(corpus, recipe.eval.cases, recipe.fim, recipe.seed)
    training = TrainingData(corpus)
    systems: dict[str, list[Prediction]] = {}
    seconds: dict[str, float] = {}
    for stage in recipe.eval.stages:
        started = time.monotonic()
        systems[stage] = asyncio.run(_evaluate(context, stage, cases, training))
        seconds[stage] = round(time.monotonic() - started, 1)
    last = systems[recipe.eval.stages[-1]]
    about = {
        "cases": recipe.name,
        "seconds": seconds,
        "examples_rule": RULE,
        "examples": [asdict(example) for example in pick_examples(cases, last)],
    }
    report = write_results(context.work, cases, systems, recipe.seed, about)
    metrics: Metrics = {"cases": len(cases)}
    for row in report["rows"]:
        metrics |= {f"{row['system']}_{name}": row[name] for name in IN_METRICS if name in row}
    return metrics


async def _evaluate(context: StageContext, stage: str, cases: list[Case], training: TrainingData) -> list[Prediction]:
    recipe = context.recipe

    def held_out() -> Iterator[tuple[str, list[Document]]]:
        return projects(context.inputs["data"], "test")

    hf = context.inputs[TRAINING_STAGE[stage]] / "hf"
    model = context.resume / f"{stage}.gguf"
    if not model.exists():
        export_gguf(hf, model, recipe.eval.gguf)
    engine = await open_engine(str(model), runs=Path(), threads=None, slots=WORKERS)
    try:
        way = Way(recipe.eval.max_new_tokens, skip=frozenset(recipe.complete.skip), prompt=recipe.prompt)
        with context.progress.task(f"evaluate {stage}", len(cases)) as task:
            answers = await ask(
                ModelSystem(stage, engine, stage, way),
                cases,
                held_out,
                context.resume / f"{stage}.jsonl",
                WORKERS,
                task,
            )
        with context.progress.task(f"where {stage} would stop", len(cases)) as task:
            ends = await asyncio.to_thread(
                end_probabilities, load_hf(hf), engine.tokenizer, engine.format, recipe.prompt, cases, held_out, task
            )
    finally:
        await engine.close()
    predictions = scored(cases, answers, training)
    return [replace(prediction, end_probability=end) for prediction, end in zip(predictions, ends, strict=True)]
