"""What a run has: its finished stages with their figures, as rows for a table."""

from dataclasses import dataclass
from pathlib import Path

from midspan.errors import MidspanError
from midspan.recipe.graph import STAGES
from midspan.recipe.manifest import Manifest, read_manifest

MODEL_NAMES = {"pretrain": "base", "sft": "sft", "dpo": "dpo"}
"""Training stage -> the name of its model in the evaluation."""


@dataclass(frozen=True)
class StageRow:
    """One stage of a run: figures are None where the stage has none."""

    stage: str
    tokens: int | None
    bits_per_byte: float | None
    exact_match: float | None
    chrf: float | None
    length_ratio: float | None
    seconds: float


def run_names(runs: Path) -> list[str]:
    """Names of the runs in the folder `runs`, sorted; a folder is a run if it holds a stage, finished or begun."""
    if not runs.is_dir():
        return []
    stages = [name for stage in STAGES for name in (stage, f".{stage}.work")]
    return sorted(path.name for path in runs.iterdir() if any((path / stage).is_dir() for stage in stages))


def run_directory(run: str, runs: Path) -> Path:
    """The directory of a run given by name or by path. Raises MidspanError if there is none."""
    for directory in (runs / run, Path(run)):
        if any((directory / stage).is_dir() for stage in STAGES):
            return directory
    known = ", ".join(run_names(runs)) or "none"
    raise MidspanError(f"no run {run} in {runs}", f"known runs: {known}")


def read_run(directory: Path) -> dict[str, Manifest]:
    """The manifests of a run's finished stages, in the order of the graph."""
    return {stage: read_manifest(directory / stage) for stage in STAGES if (directory / stage).is_dir()}


def begun_stages(directory: Path) -> list[str]:
    """Stages that were begun and not finished."""
    return [stage for stage in STAGES if (directory / f".{stage}.work").is_dir()]


def rows_of(manifests: dict[str, Manifest]) -> list[StageRow]:
    """One row per finished stage; the evaluation's figures stand beside the stage whose model they measure."""
    evaluation = manifests["eval"].metrics if "eval" in manifests else {}
    return [_row(stage, manifest, evaluation) for stage, manifest in manifests.items()]


def _row(stage: str, manifest: Manifest, evaluation: dict[str, float | int | str]) -> StageRow:
    model = MODEL_NAMES.get(stage, "")
    tokens = manifest.metrics.get("tokens")
    return StageRow(
        stage=stage,
        tokens=int(tokens) if tokens is not None else None,
        bits_per_byte=_number(manifest.metrics.get("valid_bits_per_byte")),
        exact_match=_number(evaluation.get(f"{model}_em")),
        chrf=_number(evaluation.get(f"{model}_chrf")),
        length_ratio=_number(evaluation.get(f"{model}_length_ratio")),
        seconds=manifest.seconds,
    )


def _number(value: float | int | str | None) -> float | None:
    return None if value is None else float(value)
