"""The page of a run's training: the curves of every stage that has begun, in one file that loads nothing.

It reads the `metrics.jsonl` of stages, finished or in work, so it can be looked at while a training runs.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from midspan.data.charts import curves
from midspan.errors import MidspanError
from midspan.page import REPORT, head, plain, source_hash, table

_STYLE = REPORT + ".pair { margin-top: 1.2rem; }\n"
POINTS = 300
"""Points of a curve; more steps than that are averaged in groups of equal size."""
PLOTS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Loss, nats per counted token or pair", (("loss", "loss"),)),
    ("Held-out projects, bits per byte", (("valid_bits_per_byte", "validation"),)),
    ("Reward margin", (("margin", "training"), ("valid_margin", "held-out pairs"))),
    ("Share of pairs in the right order", (("accuracy", "training"), ("valid_accuracy", "held-out pairs"))),
    ("Distance from the reference, nats per token", (("kl", "training"), ("valid_kl", "held-out pairs"))),
    ("Learning rate", (("lr", "learning rate"),)),
    ("Norm of the gradient before clipping", (("grad_norm", "gradient norm"),)),
    ("Tokens per second", (("tokens_per_second", "tokens per second"),)),
)
"""Title of each plot, and the keys of `metrics.jsonl` in it with their names. What a stage does not log is left out."""


def write_training_report(name: str, stages: Mapping[str, Path], path: Path) -> None:
    """Write the page about the stages, each with the folder that holds its `metrics.jsonl`.

    Raises MidspanError if none of them has a step on record.
    """
    logs = {stage: rows for stage, folder in stages.items() if (rows := read_log(folder / "metrics.jsonl"))}
    if not logs:
        raise MidspanError(f"run {name} has no training on record", "build it first")
    policy = f"style-src {source_hash(_STYLE)}; style-src-attr 'unsafe-inline'"
    links = "".join(f'<a href="#{stage}">{stage}</a>' for stage in logs)
    body = "\n".join(_stage(stage, rows) for stage, rows in logs.items())
    text = (
        f"{head(f'Training of {name}', REPORT, policy)}\n<body><h1>Training of {plain(name)}</h1><nav>{links}</nav>\n"
    )
    aside = path.with_name(path.name + ".partial")
    aside.write_text(f"{text}{body}\n</body></html>\n", encoding="utf-8")
    aside.replace(path)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The rows of a log; a last line that is being written is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def averaged(steps: Sequence[float], values: Sequence[float], points: int = POINTS) -> tuple[list[float], list[float]]:
    """Means over groups of neighbours, at most `points` of them: what a plot can show of many steps."""
    size = max(1, math.ceil(len(steps) / points))
    groups = [slice(start, start + size) for start in range(0, len(steps), size)]
    return [_mean(steps[group]) for group in groups], [_mean(values[group]) for group in groups]


def _stage(stage: str, rows: Sequence[Mapping[str, Any]]) -> str:
    steps = [row for row in rows if "loss" in row]
    valid = [row["valid_bits_per_byte"] for row in rows if "valid_bits_per_byte" in row]
    figures = [
        ("steps", f"{steps[-1]['step'] if steps else 0:,}"),
        ("tokens", f"{steps[-1]['tokens'] if steps else 0:,.0f}"),
        ("loss, first and last", " → ".join(f"{row['loss']:.3f}" for row in (steps[:1] + steps[-1:]))),
        ("bits per byte, first and last", " → ".join(f"{value:.3f}" for value in (valid[:1] + valid[-1:]))),
        ("tokens per second", f"{_mean([row['tokens_per_second'] for row in steps]):,.0f}" if steps else ""),
        *(("stopped by", f"{row['stopped_by']} at step {row['stopped_at']}") for row in rows if "stopped_by" in row),
    ]
    plots = []
    for title, keys in PLOTS:
        series = []
        for key, name in keys:
            known = [(row["step"], row[key]) for row in rows if _is_number(row.get(key))]
            if known:
                series.append((name, *averaged([step for step, _ in known], [value for _, value in known])))
        if series:
            drawn = curves(series, ("step", ""), f"{title}, {stage}", between=None)
            plots.append(f"<figure><h3>{title}</h3>{drawn}</figure>")
    shown = table(["", stage], [list(figure) for figure in figures])
    return f'<h2 id="{stage}">{stage}</h2>{shown}<div class="pair">{"".join(plots)}</div>'


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
