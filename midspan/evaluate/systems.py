"""Models as systems to be evaluated: through the completion logic of the editor, or raw, as they generate.

Through the logic a request's caret stays "auto": the logic decides between the rest of a line and a block, as it would
while somebody types. Raw, no step but token healing, which is part of the prompt, is taken. Generations are greedy and
prompts cold (no pins), so an answer depends on system and case alone.
"""

from dataclasses import dataclass
from typing import Any

from midspan import __version__
from midspan.complete.completer import Completer
from midspan.complete.pipeline import STEPS
from midspan.complete.request import CompletionRequest
from midspan.context.project import Project
from midspan.data.cases import Case
from midspan.engine.protocol import Engine
from midspan.evaluate.answers import Answer
from midspan.recipe.schema import PromptConfig

RAW = frozenset(step.name for step in STEPS)
"""What is skipped where the model's own text is judged."""


@dataclass(frozen=True)
class Way:
    """How a model is asked. `skip` names steps that are left out; `prompt` are its own prompt settings if None, of
    which `prompt_tokens` changes the size, so that models can be held against each other on equal terms.
    """

    max_new_tokens: int = 128
    raw: bool = False
    skip: frozenset[str] = frozenset()
    prompt: PromptConfig | None = None
    prompt_tokens: int | None = None

    def config(self, engine: Engine) -> PromptConfig:
        """The prompt settings for an engine."""
        config = self.prompt or engine.prompt_config
        return config if self.prompt_tokens is None else config.model_copy(update={"max_tokens": self.prompt_tokens})


class ModelSystem:
    """A model behind an open engine; `digest` stands for its weights."""

    def __init__(self, name: str, engine: Engine, digest: str, way: Way) -> None:
        self.name, self._way = name, way
        skip = RAW | way.skip if way.raw else way.skip
        self._completer = Completer(engine, way.config(engine), skip=skip, pin=False)
        calibration = engine.calibration
        self.identity: dict[str, Any] = {
            "midspan": __version__,
            "model": digest,
            "engine": type(engine).__name__,
            "family": engine.format.family,
            "order": engine.format.order,
            "context_length": engine.context_length,
            "prompt": self._completer.config.model_dump(mode="json"),
            "complete": engine.complete_config.model_dump(mode="json"),
            "calibration": calibration.model_dump(mode="json") if calibration else None,
            "raw": way.raw,
            "skip": sorted(self._completer.skip),
            "max_new_tokens": way.max_new_tokens,
        }

    async def answer(self, case: Case, project: Project) -> Answer:
        """One greedy generation."""
        suggestion = await self._completer.complete(
            CompletionRequest(
                case.path,
                case.prefix,
                case.suffix,
                project,
                caret="block" if self._way.raw else "auto",
                max_new_tokens=self._way.max_new_tokens,
            )
        )
        return Answer(
            suggestion=suggestion.text,
            replace=suggestion.replace,
            dropped=suggestion.dropped,
            stop_reason=suggestion.stop_reason,
            prompt_tokens=suggestion.prompt_tokens,
            cached_tokens=suggestion.cached_tokens,
            completion_tokens=suggestion.completion_tokens,
            context_tokens=sum(part.tokens for part in suggestion.prompt.parts if part.kind == "context"),
            latency_ms=round(suggestion.timings.total_ms, 3),
            logprob=suggestion.logprob,
            confidence=suggestion.confidence,
            prompt="".join(part.text for part in suggestion.prompt.parts),
        )
