"""The graph of stages: what each stage needs, which settings it depends on, and which function does its work.

Stage functions are named, not imported, so that reading the graph needs neither torch nor daft.
"""

import hashlib
import importlib
import json
from dataclasses import dataclass
from typing import Any, cast

import midspan
from midspan.errors import MidspanError
from midspan.recipe.schema import Recipe
from midspan.recipe.stage import StageFunction


@dataclass(frozen=True)
class Stage:
    """One node: `needs` are the stages it reads, `settings` the sections of the recipe it depends on."""

    name: str
    title: str
    needs: tuple[str, ...]
    settings: tuple[str, ...]
    module: str

    def function(self) -> StageFunction:
        """The function that does the work. Raises MidspanError if a package it needs is not installed."""
        try:
            return cast(StageFunction, importlib.import_module(self.module).run)
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("midspan"):
                raise
            raise MidspanError(
                f"stage {self.name} needs the package {error.name}", "install it with: pip install 'midspan[train]'"
            ) from None


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("data", "Curate the sources into a corpus", (), ("seed", "data"), "midspan.data.stage"),
        Stage("tokenizer", "Train the tokenizer", ("data",), ("tokenizer",), "midspan.model.tokenizer_stage"),
        Stage(
            "pretrain",
            "Pre-train the base model (half of the documents with FIM)",
            ("data", "tokenizer"),
            ("seed", "model", "fim", "pretrain", "parallel"),
            "midspan.train.pretrain",
        ),
        Stage(
            "sft",
            "Fine-tune on syntax-cut middles with project context",
            ("data", "tokenizer", "pretrain"),
            ("seed", "fim", "prompt", "sft", "parallel"),
            "midspan.train.sft",
        ),
        Stage(
            "prefer",
            "Sample completions and build preference pairs",
            ("data", "tokenizer", "sft"),
            ("seed", "fim", "prompt", "prefer"),
            "midspan.prefer.stage",
        ),
        Stage(
            "dpo",
            "Direct preference optimisation on the pairs",
            ("data", "tokenizer", "sft", "prefer"),
            ("seed", "dpo", "parallel"),
            "midspan.train.dpo",
        ),
        Stage(
            "export",
            "Export to Hugging Face and GGUF",
            ("dpo",),
            ("prompt", "complete", "export"),
            "midspan.model.export_stage",
        ),
        Stage(
            "eval",
            "Evaluate base, sft and dpo on held-out projects",
            ("data", "tokenizer", "pretrain", "sft", "dpo"),
            ("seed", "fim", "prompt", "complete", "eval"),
            "midspan.evaluate.stage",
        ),
    )
}


def settings_of(stage: Stage, recipe: Recipe) -> dict[str, Any]:
    """The part of the recipe the stage depends on, as JSON values."""
    return recipe.model_dump(mode="json", include=set(stage.settings))


def key_of(stage: Stage, recipe: Recipe, inputs: dict[str, str]) -> str:
    """Identity of the stage's work: its settings, the code's version and the digests of its inputs.

    `inputs` maps each needed stage to the digest of its outputs; for `data` it holds the fingerprint of the sources,
    and for every stage the hashes of the files that its settings name.
    """
    identity = [stage.name, midspan.__version__, settings_of(stage, recipe), inputs]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
