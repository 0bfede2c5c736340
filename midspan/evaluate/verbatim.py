"""Suggestions that recite training data: a run of characters that a training document of another project has too.

The corpus is asked through its index of fingerprints (`data.who`), so a run counts from `GUARANTEE` characters on,
white space aside: some three lines. What the file itself or the true middle holds is no recital, however many others
hold it too. Cost: nothing for shorter suggestions; a few binary searches for longer ones, and milliseconds per document
to look at for those that do share something.
"""

from pathlib import Path

import numpy as np

from midspan.data.cases import Case
from midspan.data.corpus import CORPUS_FILE
from midspan.data.grams import GUARANTEE, gram_hashes, normalised
from midspan.data.who import load_index, who_in

MODEL_DEPTH = 3
"""A run's model lies at most so many folders below the run."""


class TrainingData:
    """The corpus in a run's folder `data`. Raises MidspanError if there is none."""

    def __init__(self, stage_dir: Path) -> None:
        self._stage_dir, self._index = stage_dir, load_index(stage_dir)

    def recited(self, case: Case, suggestion: str) -> float:
        """1 if the suggestion recites the corpus, else 0."""
        text = normalised(suggestion)
        if len(text) < GUARANTEE:
            return 0.0
        own = gram_hashes(normalised(case.prefix + case.middle + case.suffix))
        if np.isin(gram_hashes(text), own).all():
            return 0.0
        found = who_in(self._stage_dir, self._index, text)
        return float(any(origin.split == "train" and origin.project != case.project for origin in found))


def training_data_of(model: Path) -> TrainingData | None:
    """What the model at `model`, a file or folder, was trained on, if it lies in a run that still has its corpus."""
    for folder in list(model.resolve().parents)[:MODEL_DEPTH]:
        if (folder / "data" / CORPUS_FILE).is_file():
            return TrainingData(folder / "data")
    return None
