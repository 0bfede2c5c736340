"""From predictions to the rows of the report: every figure with its interval, over all and by group."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from midspan.data.cases import Case
from midspan.evaluate.chrf import chrf_signature
from midspan.evaluate.correlation import correlations
from midspan.evaluate.figures import FIGURES
from midspan.evaluate.intervals import Interval, ratio_interval
from midspan.evaluate.reliability import reliability
from midspan.evaluate.run import Prediction

Row = dict[str, Any]
LENGTHS = (20, 60, 150, 400)
CONTEXTS = (0, 256, 1_024, 4_096)
"""Upper ends of the groups: characters of the truth, tokens of other files in the prompt."""
GROUPS: Mapping[str, Callable[[Case, Prediction], str]] = {
    "by_language": lambda case, _: case.language,
    "by_kind": lambda case, _: case.kind,
    "by_length": lambda case, _: _between(len(case.middle), LENGTHS),
    "by_context": lambda _, prediction: (
        _between(prediction.answer.context_tokens, CONTEXTS) if prediction.answer.prompt_tokens else ""
    ),
}


def build_report(cases: Sequence[Case], systems: Mapping[str, Sequence[Prediction]], seed: int) -> dict[str, Any]:
    """The report of systems on the same cases; JSON values."""
    return {
        "rows": [system_row(name, cases, predictions, seed) for name, predictions in systems.items()],
        **{
            group: [
                row
                for name, predictions in systems.items()
                for row in grouped_rows(name, cases, predictions, seed, key)
            ]
            for group, key in GROUPS.items()
        },
        "reliability": {name: reliability(cases, predictions) for name, predictions in systems.items()},
        "correlations": correlations([prediction for each in systems.values() for prediction in each]),
        "chrf_signature": chrf_signature(),
        "interval": "95 % percentile bootstrap over projects",
    }


def system_row(system: str, cases: Sequence[Case], predictions: Sequence[Prediction], seed: int) -> Row:
    """One row: `system`, `cases`, `projects`, each figure, and under `intervals` its [low, high].

    A figure is left out where no case says anything, as `valid` where there is no grammar. Latencies are in
    milliseconds, `latency_ms` the median and `latency_p95_ms` the 95th percentile, as long as a request took beside
    the others that ran at the same time; tokens are means.
    """
    figures: dict[str, Interval] = {}
    for name, figure in FIGURES.items():
        known = [
            (share, case.project)
            for case, prediction in zip(cases, predictions, strict=True)
            if (share := figure.share(case, prediction)) is not None
        ]
        if known:
            above, below = zip(*(share for share, _ in known), strict=True)
            figures[name] = ratio_interval(above, below, [project for _, project in known], seed)
    latencies = sorted(prediction.answer.latency_ms for prediction in predictions)
    return {
        "system": system,
        "cases": len(cases),
        "projects": len({case.project for case in cases}),
        **{name: round(figure.value, 4) for name, figure in figures.items()},
        "intervals": {name: [round(figure.low, 4), round(figure.high, 4)] for name, figure in figures.items()},
        "latency_ms": latencies[len(latencies) // 2],
        "latency_p95_ms": latencies[min(len(latencies) - 1, int(0.95 * len(latencies)))],
        "prompt_tokens": _mean([prediction.answer.prompt_tokens for prediction in predictions]),
        "context_tokens": _mean([prediction.answer.context_tokens for prediction in predictions]),
        "completion_tokens": _mean([prediction.answer.completion_tokens for prediction in predictions]),
    }


def grouped_rows(
    system: str,
    cases: Sequence[Case],
    predictions: Sequence[Prediction],
    seed: int,
    group: Callable[[Case, Prediction], str],
) -> list[Row]:
    """A row per value of `group`, sorted, each with the value under `group`; cases in the group "" are left out."""
    members: dict[str, list[int]] = {}
    for index, (case, prediction) in enumerate(zip(cases, predictions, strict=True)):
        if value := group(case, prediction):
            members.setdefault(value, []).append(index)
    return [
        {"group": value}
        | system_row(system, [cases[index] for index in chosen], [predictions[index] for index in chosen], seed)
        for value, chosen in sorted(members.items(), key=lambda item: _in_order(item[0]))
    ]


def _between(value: int, ends: Sequence[int]) -> str:
    low = 0
    for end in ends:
        if value <= end:
            return f"{low:,}–{end:,}" if end > low else f"{end:,}"
        low = end + 1
    return f"{low:,} and more"


def _in_order(group: str) -> tuple[int, str]:
    """Ranges by their numbers, words by the alphabet."""
    start = group.replace(",", "").partition("–")[0].partition(" ")[0]
    return (int(start) if start.isdigit() else 0, group)


def _mean(numbers: Sequence[int]) -> float:
    return round(sum(numbers) / len(numbers), 1)
