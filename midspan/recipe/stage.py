"""What a stage is given and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from midspan.recipe.progress import Progress
from midspan.recipe.schema import Recipe

Metrics = dict[str, float | int | str]
CHECKPOINT = "checkpoint-"
"""How the folders in `resume/` begin that training goes on from; the step follows."""


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in a stage's folder `resume/`, if there is one."""
    whole = [path for path in folder.glob(f"{CHECKPOINT}*") if path.suffix != ".partial"]
    return max(whole, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The step a checkpoint was written after."""
    return int(checkpoint.name.removeprefix(CHECKPOINT))


@dataclass(frozen=True)
class StageContext:
    """One run of one stage.

    `inputs` maps the name of each stage this one depends on to its finished directory. `work` is the stage's private
    directory: it outlives a kill, and becomes the stage's output directory when the stage function returns. What a
    stage keeps only to resume goes into `work / "resume"`, which is removed before the directory is published.
    """

    recipe: Recipe
    inputs: Mapping[str, Path]
    work: Path
    progress: Progress

    @property
    def resume(self) -> Path:
        """The folder for what is needed only to go on after a kill; made on first use."""
        folder = self.work / "resume"
        folder.mkdir(exist_ok=True)
        return folder


StageFunction = Callable[[StageContext], Metrics]
