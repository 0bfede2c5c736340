"""From a request at a caret to a suggestion.

The prompt is the one that training used. The generation is streamed, and stopped as soon as its whole lines hold the
end of the suggestion; the steps of `midspan.complete.pipeline` make the suggestion of it. Cancelling a completion
cancels the engine's work. Of earlier requests only the last pins are kept (see `midspan.prompt.pin`), and no source
text is logged.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from midspan.complete.draft import Draft, Step, only_closes
from midspan.complete.pipeline import DEFAULT_STEPS, STOPS, run_steps
from midspan.context.caret import Spot
from midspan.context.project import Project
from midspan.engine.protocol import Engine, GenerateRequest, Generation, StopReason
from midspan.errors import MidspanError
from midspan.prompt.build import Prompt, make_prompt
from midspan.prompt.heal import MAX_CUT
from midspan.prompt.pin import Pins
from midspan.recipe.schema import PromptConfig
from midspan.syntax.languages import language_of

Caret = Literal["auto", "line", "block"]
HEALED_TOKENS = MAX_CUT
"""Tokens set aside for the healed text: no token is shorter than a byte."""


@dataclass(frozen=True)
class CompletionRequest:
    """A caret in the file `path`. `recent` are paths opened and `edited` places edited lately, the last one first;
    `caret` says how many lines are wanted, "auto" leaves it to `wants_block`. `max_new_tokens` does not count the
    healed text; the text ends before any string of `stop`. `document` is an opaque key of the editor buffer (such as
    user and path): of requests with the same one the newest counts, and they share a cache; "" is no particular buffer.
    """

    path: str
    prefix: str
    suffix: str
    project: Project | None = None
    recent: tuple[str, ...] = ()
    edited: tuple[Spot, ...] = ()
    caret: Caret = "auto"
    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    document: str = ""


@dataclass(frozen=True)
class Timings:
    """Milliseconds: reading the prompt, generating, and the whole request."""

    prompt_ms: float
    generate_ms: float
    total_ms: float


@dataclass(frozen=True)
class Suggestion:
    """What to show: `text`, empty if there is nothing (then `dropped` says why).

    `logprob` is the mean over the generated tokens, 0 if there are none. `steps` says what each step changed.
    """

    text: str
    logprob: float
    stop_reason: StopReason
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    timings: Timings
    dropped: str
    prompt: Prompt
    steps: tuple[str, ...]


def wants_block(prefix: str, suffix: str) -> bool:
    """Whether several lines are wanted: the caret's line is blank before it and holds nothing but closers behind it."""
    draft = Draft("", prefix, suffix)
    return not draft.line_before.strip() and only_closes(draft.line_behind)


class Completer:
    """Completes with one engine. `config` defaults to the prompt settings the model was made for.

    With `pin` a prompt keeps what it can of the earlier ones at the same spot, so that the engine's cache holds for it;
    without, it depends on the request alone.
    """

    def __init__(
        self,
        engine: Engine,
        config: PromptConfig | None = None,
        steps: Sequence[Step] = DEFAULT_STEPS,
        *,
        pin: bool = True,
    ) -> None:
        self.engine, self.config, self.steps = engine, config or engine.prompt_config, tuple(steps)
        self._pins = Pins() if pin else None

    async def complete(self, request: CompletionRequest) -> Suggestion:
        """The suggestion for a caret. Raises MidspanError for a request or an engine that cannot be served."""
        async with aclosing(self.stream(request)) as items:
            async for item in items:
                if isinstance(item, Suggestion):
                    return item
        raise AssertionError("a stream ends with its suggestion")

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[str | Suggestion, None]:
        """Text as it is generated, then the Suggestion, whose text is what counts: it may be shorter than the stream.

        Raises MidspanError like `complete`.
        """
        started = time.perf_counter()
        prompt = await asyncio.to_thread(self._prompt, request)
        draft = Draft(
            text="",
            prefix=request.prefix,
            suffix=request.suffix,
            language=language_of(request.path),
            block=request.caret == "block" or (request.caret == "auto" and wants_block(request.prefix, request.suffix)),
        )
        generate = GenerateRequest(
            prompt=prompt.ids,
            max_tokens=request.max_new_tokens + len(self.engine.tokenizer.encode(prompt.healed)),
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=request.stop,
            starts_with=prompt.healed,
            until=_stopper(draft, [step for step in self.steps if step in STOPS]),
            document=request.document,
        )
        async with aclosing(self.engine.stream(generate)) as items:
            async for item in items:
                if isinstance(item, Generation):
                    yield await asyncio.to_thread(self._suggestion, item, draft, prompt, started)
                else:
                    yield item.text

    async def prefill(self, request: CompletionRequest) -> None:
        """Let the engine read the prompt of a caret where a completion will be wanted soon. Raises like `complete`."""
        prompt = await asyncio.to_thread(self._prompt, request)
        await self.engine.prefill(GenerateRequest(prompt.ids, max_tokens=1, document=request.document))

    def _prompt(self, request: CompletionRequest) -> Prompt:
        room = self.engine.context_length - request.max_new_tokens - HEALED_TOKENS
        if request.max_new_tokens < 1 or room < 1:
            raise MidspanError(
                f"max_new_tokens is {request.max_new_tokens}",
                f"it must be between 1 and {self.engine.context_length - HEALED_TOKENS - 1}",
            )
        return make_prompt(
            self.engine.tokenizer,
            self.engine.format,
            request.project,
            path=request.path,
            prefix=request.prefix,
            suffix=request.suffix,
            strategy=self.config.strategy,
            config=self.config,
            recent=request.recent,
            edited=request.edited,
            max_tokens=min(self.config.max_tokens, room),
            pins=self._pins,
        )

    def _suggestion(self, generation: Generation, draft: Draft, prompt: Prompt, started: float) -> Suggestion:
        generated = replace(draft, text=generation.text, truncated=generation.stop_reason == "length")
        final, notes = run_steps(generated, self.steps)
        logprobs = generation.logprobs
        return Suggestion(
            text=final.text,
            logprob=sum(logprobs) / len(logprobs) if logprobs else 0.0,
            stop_reason=generation.stop_reason,
            prompt_tokens=generation.prompt_tokens,
            cached_tokens=generation.cached_tokens,
            completion_tokens=generation.completion_tokens,
            timings=Timings(generation.prompt_ms, generation.generate_ms, (time.perf_counter() - started) * 1000),
            dropped=final.dropped,
            prompt=prompt,
            steps=notes,
        )


def _stopper(draft: Draft, stops: Sequence[Step]) -> Callable[[str], bool]:
    """Asks, each time a line is whole, whether the whole lines already hold the end of the suggestion."""
    seen = 0

    def ended(text: str) -> bool:
        nonlocal seen
        whole = text.rfind("\n") + 1
        if whole == seen:
            return False
        seen = whole
        after, _ = run_steps(replace(draft, text=text[:whole]), stops)
        return len(after.text) < whole

    return ended
