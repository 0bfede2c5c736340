"""Which model a command uses when none is named."""

from pathlib import Path

from midspan.errors import MidspanError
from midspan.recipe.summary import run_names


def newest_run(runs: Path) -> Path | None:
    """The run whose export finished last, or None."""
    exported = [runs / name for name in run_names(runs) if (runs / name / "export" / "manifest.json").is_file()]
    return max(exported, key=lambda run: (run / "export" / "manifest.json").stat().st_mtime_ns, default=None)


def choose_model(model: str | None, runs: Path) -> str:
    """The named model, else the newest exported run. Raises MidspanError if there is neither."""
    if model:
        return model
    newest = newest_run(runs)
    if newest is None:
        raise MidspanError(
            f"no model named, and no exported run in {runs}",
            "give --model RUN, DIRECTORY or FILE.gguf, or build one with: midspan build nano",
        )
    return str(newest)
