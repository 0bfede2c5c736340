"""Stage `eval`: the models of a run on cases from its held-out projects.

Output: `cases.parquet`, `predictions.parquet` (one row per stage and case, latencies included) and `report.json` (rows
per stage, per language and per kind of caret, with intervals; examples of the last stage).
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.complete.completer import Completer
from midspan.data.cases import Case
from midspan.data.corpus import Document, projects
from midspan.engine.batch import Journal
from midspan.engine.open import open_engine
from midspan.evaluate.cases import held_out_cases, write_cases
from midspan.evaluate.chrf import chrf_signature
from midspan.evaluate.ending import end_probabilities
from midspan.evaluate.examples import RULE, pick_examples
from midspan.evaluate.report import Row, grouped_rows, stage_row
from midspan.evaluate.run import Prediction, run_cases
from midspan.model.checkpoint import load_hf
from midspan.model.gguf_export import export_gguf
from midspan.recipe.stage import Metrics, StageContext

WORKERS = 2
TRAINING_STAGE = {"base": "pretrain", "sft": "sft", "dpo": "dpo"}
SHARES = ("edit_similarity", "line_match", "valid", "stub", "empty", "end_probability")
IN_METRICS = ("em", "chrf", "length_ratio", *SHARES)


def run(context: StageContext) -> Metrics:
    """Evaluate every stage that `[eval] stages` names."""
    recipe, corpus = context.recipe, context.inputs["data"]
    cases = held_out_cases(corpus, recipe.eval.cases, recipe.fim, recipe.seed)
    write_cases(cases, context.work / "cases.parquet")
    metrics: Metrics = {"cases": len(cases)}
    table: list[Row] = []
    rows: list[Row] = []
    by_language: list[Row] = []
    by_kind: list[Row] = []
    predictions: list[Prediction] = []
    for stage in recipe.eval.stages:
        started = time.monotonic()
        predictions = asyncio.run(_evaluate(context, stage, cases))
        row = stage_row(stage, cases, predictions, recipe.seed) | {"seconds": round(time.monotonic() - started, 1)}
        rows.append(row)
        by_language += grouped_rows(stage, cases, predictions, recipe.seed, lambda case: case.language)
        by_kind += grouped_rows(stage, cases, predictions, recipe.seed, lambda case: case.kind)
        table += [{"stage": stage, **prediction.to_record()} for prediction in predictions]
        metrics |= {f"{stage}_{name}": row[name] for name in IN_METRICS if name in row}
    pq.write_table(pa.Table.from_pylist(table), context.work / "predictions.parquet", compression="zstd")
    report = {
        "rows": rows,
        "by_language": by_language,
        "by_kind": by_kind,
        "chrf_signature": chrf_signature(),
        "interval": "95 % percentile bootstrap over projects",
        "examples_rule": RULE,
        "examples": [asdict(example) for example in pick_examples(cases, predictions)],
    }
    (context.work / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return metrics


async def _evaluate(context: StageContext, stage: str, cases: list[Case]) -> list[Prediction]:
    recipe = context.recipe

    def held_out() -> Iterator[tuple[str, list[Document]]]:
        return projects(context.inputs["data"], "test")

    model = context.resume / f"{stage}.gguf"
    if not model.exists():
        export_gguf(context.inputs[TRAINING_STAGE[stage]] / "hf", model, recipe.eval.gguf)
    engine = await open_engine(str(model), runs=Path(), threads=None, slots=WORKERS)
    try:
        with context.progress.task(f"evaluate {stage}", len(cases)) as task:
            predictions = await run_cases(
                Completer(engine, recipe.prompt, skip=recipe.complete.skip, pin=False),
                cases,
                held_out,
                recipe.eval.max_new_tokens,
                Journal(context.resume / f"{stage}.jsonl"),
                WORKERS,
                task,
            )
        with context.progress.task(f"where {stage} would stop", len(cases)) as task:
            network = load_hf(context.inputs[TRAINING_STAGE[stage]] / "hf")
            ends = await asyncio.to_thread(
                end_probabilities, network, engine.tokenizer, engine.format, recipe.prompt, cases, held_out, task
            )
        return [replace(prediction, end_probability=end) for prediction, end in zip(predictions, ends, strict=True)]
    finally:
        await engine.close()
