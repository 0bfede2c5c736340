"""From predictions to the rows of the report: every metric with its interval; over all, per language, per kind."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from midspan.data.cases import Case
from midspan.evaluate.intervals import Interval, mean_interval, ratio_interval
from midspan.evaluate.metrics import Scores
from midspan.evaluate.run import Prediction

MEANS = (
    *(each.name for each in fields(Scores) if each.name != "length_ratio"),
    "end_probability",
)
Row = dict[str, Any]


def stage_row(stage: str, cases: Sequence[Case], predictions: Sequence[Prediction], seed: int) -> Row:
    """One row: `stage`, `cases`, `projects`, each metric, and under `intervals` its [low, high].

    `length_ratio` is the sum of the suggestions' characters over the sum of the truths': the share of text written.
    `length_ratio_mean` is the mean of the cases' ratios, in which short truths weigh as much as long ones. `valid`
    is over the suggestions that are not empty and in a language with a grammar; it is left out if there are none.
    `cached_share` is the share of prompt tokens that came from the engine's cache, latencies are medians.
    """
    projects = [case.project for case in cases]
    figures: dict[str, Interval] = {}
    for name in MEANS:
        known = [
            (value, project)
            for prediction, project in zip(predictions, projects, strict=True)
            if (value := _value(prediction, name)) is not None
        ]
        if known:
            figures[name] = mean_interval([value for value, _ in known], [project for _, project in known], seed)
    written = [float(len(prediction.suggestion.strip())) for prediction in predictions]
    truths = [float(len(case.middle.strip())) for case in cases]
    figures["length_ratio"] = ratio_interval(written, truths, projects, seed)
    ratios = [prediction.scores.length_ratio for prediction in predictions]
    figures["length_ratio_mean"] = mean_interval(ratios, projects, seed)
    prompt_tokens = sum(prediction.prompt_tokens for prediction in predictions)
    latencies = sorted(prediction.latency_ms for prediction in predictions)
    return {
        "stage": stage,
        "cases": len(cases),
        "projects": len(set(projects)),
        **{name: round(figure.value, 4) for name, figure in figures.items()},
        "intervals": {name: [round(figure.low, 4), round(figure.high, 4)] for name, figure in figures.items()},
        "cached_share": round(sum(prediction.cached_tokens for prediction in predictions) / max(1, prompt_tokens), 4),
        "latency_ms": latencies[len(latencies) // 2],
    }


def _value(prediction: Prediction, name: str) -> float | None:
    value: float | None = prediction.end_probability if name == "end_probability" else getattr(prediction.scores, name)
    return value


def grouped_rows(
    stage: str, cases: Sequence[Case], predictions: Sequence[Prediction], seed: int, group: Callable[[Case], str]
) -> list[Row]:
    """A row per value of `group`, sorted, each with the value under `group`."""
    rows = []
    for value in sorted({group(case) for case in cases}):
        chosen = [index for index, case in enumerate(cases) if group(case) == value]
        row = stage_row(stage, [cases[index] for index in chosen], [predictions[index] for index in chosen], seed)
        rows.append({"group": value, **row})
    return rows
