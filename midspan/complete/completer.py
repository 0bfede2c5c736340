"""From a request at a caret to a suggestion.

The prompt is the one that training used. The generation is streamed, and stopped as soon as its whole lines hold the
end of the suggestion; the steps of `midspan.complete.pipeline` make the suggestion of it. Cancelling a completion
cancels the engine's work. Of earlier requests only the last pins are kept (see `midspan.prompt.pin`), and no source
text is logged.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace

from midspan.complete.draft import Draft, only_closes
from midspan.complete.pipeline import HEALING, STEPS, Step, checked, run_steps
from midspan.complete.request import CompletionRequest, Suggestion, Timings
from midspan.engine.protocol import Engine, GenerateRequest, Generation
from midspan.errors import MidspanError
from midspan.prompt.build import Prompt, build_prompt, make_prompt
from midspan.prompt.heal import MAX_CUT
from midspan.prompt.pin import Pins
from midspan.recipe.schema import PromptConfig
from midspan.syntax.languages import language_of

HEALED_TOKENS = MAX_CUT
"""Tokens set aside for the healed text: no token is shorter than a byte."""


def wants_block(prefix: str, suffix: str) -> bool:
    """Whether several lines are wanted: the caret's line is blank before it and holds nothing but closers behind it."""
    draft = Draft("", prefix, suffix)
    return not draft.line_before.strip() and only_closes(draft.line_behind)


class Completer:
    """Completes with one engine. `config` defaults to the prompt settings the model was made for; `skip` names steps
    that no request takes.

    With `pin` a prompt keeps what it can of the earlier ones at the same spot, so that the engine's cache holds for it;
    without, it depends on the request alone.
    """

    def __init__(
        self,
        engine: Engine,
        config: PromptConfig | None = None,
        *,
        skip: Collection[str] = (),
        pin: bool = True,
    ) -> None:
        self.engine, self.config, self.skip = engine, config or engine.prompt_config, checked(skip)
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
        skip = self.skip | checked(request.skip)
        steps = [step for step in STEPS if step.name not in skip]
        prompt = await asyncio.to_thread(self._prompt, request, skip)
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
            until=_stopper(draft, [step for step in steps if step.stops]),
            document=request.document,
        )
        async with aclosing(self.engine.stream(generate)) as items:
            async for item in items:
                if isinstance(item, Generation):
                    yield await asyncio.to_thread(_suggestion, item, draft, steps, prompt, started)
                else:
                    yield item.text

    async def prefill(self, request: CompletionRequest) -> None:
        """Let the engine read the prompt of a caret where a completion will be wanted soon. Raises like `complete`."""
        prompt = await asyncio.to_thread(self._prompt, request, self.skip | checked(request.skip))
        await self.engine.prefill(GenerateRequest(prompt.ids, max_tokens=1, document=request.document))

    def _prompt(self, request: CompletionRequest, skip: frozenset[str]) -> Prompt:
        room = self.engine.context_length - request.max_new_tokens - HEALED_TOKENS
        if request.max_new_tokens < 1 or room < 1:
            raise MidspanError(
                f"max_new_tokens is {request.max_new_tokens}",
                f"it must be between 1 and {self.engine.context_length - HEALED_TOKENS - 1}",
            )
        config = self.config.model_copy(update={"heal": False}) if HEALING in skip else self.config
        max_tokens = min(config.max_tokens, room)
        if request.chunks is not None:
            return build_prompt(
                self.engine.tokenizer,
                self.engine.format,
                path=request.path,
                prefix=request.prefix,
                suffix=request.suffix,
                chunks=request.chunks,
                config=config,
                max_tokens=max_tokens,
                repository=request.project.name if request.project else "",
            )
        return make_prompt(
            self.engine.tokenizer,
            self.engine.format,
            request.project,
            path=request.path,
            prefix=request.prefix,
            suffix=request.suffix,
            strategy=config.strategy,
            config=config,
            recent=request.recent,
            edited=request.edited,
            max_tokens=max_tokens,
            pins=self._pins,
        )


def _suggestion(
    generation: Generation, draft: Draft, steps: Sequence[Step], prompt: Prompt, started: float
) -> Suggestion:
    generated = replace(draft, text=generation.text, truncated=generation.stop_reason == "length")
    final, reports = run_steps(generated, steps)
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
        steps=reports,
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
