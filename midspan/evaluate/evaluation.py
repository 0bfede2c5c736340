"""Evaluating whatever can be named: opening a model, asking it in one way or several, scoring what it says.

Answers are kept in the user's cache by the contents of the model, so a run that is killed goes on, and a model under a
new name or in another table is not asked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from midspan.engine.locate import content_digest, locate
from midspan.engine.open import EngineName, is_remote, open_engine
from midspan.engine.protocol import Engine
from midspan.evaluate.answers import System, answers_file, ask
from midspan.evaluate.case_sets import CaseSet
from midspan.evaluate.run import Prediction, scored
from midspan.evaluate.systems import ModelSystem, Way
from midspan.evaluate.verbatim import TrainingData, training_data_of
from midspan.recipe.progress import Progress


@dataclass(frozen=True)
class Model:
    """A model as the user names it, and how it is to be opened; see `open_engine`. `workers` are asked side by side."""

    name: str
    runs: Path
    workers: int
    tokenizer: Path | None = None
    family: str | None = None
    engine: EngineName = "auto"

    @property
    def path(self) -> Path | None:
        """Its file or directory, None if it is elsewhere. Raises MidspanError if there is no such model."""
        return None if is_remote(self.name) else locate(self.name, self.runs, hf=self.engine == "torch").path

    @property
    def title(self) -> str:
        """What it is called in a table: run and stage, the directory's or file's name, or the URL."""
        return self.name if is_remote(self.name) else locate(self.name, self.runs).name

    def digest(self) -> str:
        """The contents of a model that is here; of one that is elsewhere no more than URL and tokenizer are known."""
        path = self.path
        if path is not None:
            return content_digest(path)
        return f"{self.name} {content_digest(self.tokenizer) if self.tokenizer else ''}"

    async def open(self) -> Engine:
        """The running engine."""
        return await open_engine(
            self.name,
            runs=self.runs,
            slots=self.workers,
            tokenizer=self.tokenizer,
            family=self.family,
            engine=self.engine,
        )


async def evaluate_model(
    model: Model, ways: Mapping[str, Way], chosen: CaseSet, progress: Progress
) -> dict[str, list[Prediction]]:
    """The predictions of one model asked in several ways, each under its name."""
    training = training_data_of(model.path) if model.path else None
    engine = await model.open()
    try:
        digest = model.digest()
        return {
            name: await evaluate(ModelSystem(name, engine, digest, way), chosen, model.workers, progress, training)
            for name, way in ways.items()
        }
    finally:
        await engine.close()


async def evaluate(
    system: System, chosen: CaseSet, workers: int, progress: Progress, training: TrainingData | None = None
) -> list[Prediction]:
    """The predictions of one system."""
    with progress.task(system.name, len(chosen.cases)) as task:
        answers = await ask(system, chosen.cases, chosen.projects, answers_file(system), workers, task)
    return scored(chosen.cases, answers, training)
