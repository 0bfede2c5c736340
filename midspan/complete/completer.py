"""From a request at a caret to a suggestion.

The prompt is the one that training used. The generation is streamed, and stopped as soon as its text holds the end of
the suggestion; the steps of `midspan.complete.pipeline` make the suggestion of it. Cancelling a completion cancels the
engine's work. Of earlier requests only the last pins are kept (see `midspan.prompt.pin`), and no source text is logged.

Cost behind the generation: 5.8 ms of a core at the median and 9.3 ms at the 95th percentile in a file of 2,000 lines,
and 0.7 and 1.9 ms for each streamed piece (`benchmarks/completion_steps.py`). What is near the caret is parsed while
the model generates.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from midspan.complete.caret import BLOCKS, QUOTED, CaretKind, caret_kind
from midspan.complete.confidence import Evidence
from midspan.complete.draft import Draft
from midspan.complete.pipeline import HEALING, STEPS, Step, checked, run_steps
from midspan.complete.request import CompletionRequest, Suggestion, Timings
from midspan.complete.time_limit import TimeLimit
from midspan.engine.protocol import Delta, Engine, GenerateRequest, Generation
from midspan.errors import MidspanError
from midspan.prompt.build import Prompt, build_prompt, make_prompt
from midspan.prompt.heal import MAX_CUT
from midspan.prompt.pin import Pins
from midspan.recipe.schema import PromptConfig
from midspan.syntax.broken import near_before, near_behind, read_document
from midspan.syntax.languages import language_of

ENDINGS = frozenset("\r\n)]}>;,")
"""Characters without which nothing ends: line breaks, closers, the end of a tag, separators."""
HEALED_TOKENS = MAX_CUT
"""Tokens set aside for the healed text: no token is shorter than a byte."""
CANDIDATE_TEMPERATURE = 0.8
"""How candidates beside the first are sampled, where the request asks for no temperature of its own."""


@dataclass(frozen=True)
class _Work:
    """What is known of a request before anything is generated. The draft has no text yet."""

    started: float
    caret: CaretKind
    draft: Draft
    steps: tuple[Step, ...]
    prompt: Prompt
    generate: GenerateRequest


class Completer:
    """Completes with one engine. `config` defaults to the prompt settings the model was made for; `skip` names steps
    that no request takes, beside those that the model's own settings leave out.

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
        self.engine, self.config = engine, config or engine.prompt_config
        self.skip = checked(skip) | checked(engine.complete_config.skip)
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

        Of several candidates the first is streamed; the Suggestion is the best of them. Raises MidspanError like
        `complete`.
        """
        work = await self._prepared(request)
        # It runs as soon as the engine has its request and is waited for.
        reading = asyncio.get_running_loop().call_soon(read_ahead, work.draft)
        found: list[Suggestion] = []
        try:
            for number in range(request.candidates):
                pieces: list[Delta] = []
                limit = TimeLimit(request.max_ms)
                async with aclosing(self.engine.stream(_variant(work, number, limit))) as items:
                    async for item in items:
                        if isinstance(item, Generation):
                            found.append(_suggestion(item, tuple(pieces), work, limit))
                        else:
                            pieces.append(item)
                            if not number:
                                yield item.text
        finally:
            reading.cancel()
        yield _best(found)

    async def prefill(self, request: CompletionRequest) -> None:
        """Let the engine read the prompt of a caret where a completion will be wanted soon. Raises like `complete`."""
        prompt = await asyncio.to_thread(self._prompt, request, self.skip | checked(request.skip))
        await self.engine.prefill(GenerateRequest(prompt.ids, max_tokens=1, document=request.document))

    async def _prepared(self, request: CompletionRequest) -> _Work:
        """What to generate; ranking a project's files takes long enough for a thread of its own.

        All else is some milliseconds, most of them the parser's, which lets no other thread run meanwhile.
        """
        if request.project is None:
            return self._prepare(request)
        return await asyncio.to_thread(self._prepare, request)

    def _prepare(self, request: CompletionRequest) -> _Work:
        started = time.perf_counter()
        if request.candidates < 1:
            raise MidspanError(f"{request.candidates} candidates are none", "ask for at least one")
        skip = self.skip | checked(request.skip)
        prompt = self._prompt(request, skip)
        language = language_of(request.path)
        caret = caret_kind(request.prefix, request.suffix, language)
        config = self.engine.complete_config
        draft = Draft(
            text="",
            prefix=request.prefix,
            suffix=request.suffix,
            language=language,
            block=request.caret == "block" or (request.caret == "auto" and caret in BLOCKS),
            quoted=caret in QUOTED,
            min_confidence=config.min_confidence if request.min_confidence is None else request.min_confidence,
        )
        generate = GenerateRequest(
            prompt=prompt.ids,
            max_tokens=self._max_new_tokens(request) + len(self.engine.tokenizer.encode(prompt.healed)),
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=request.stop,
            starts_with=prompt.healed,
            document=request.document,
        )
        steps = tuple(step for step in STEPS if step.name not in skip)
        evidence = Evidence((), "end", language.name if language else "", self.engine.calibration)
        return _Work(started, caret, replace(draft, evidence=evidence), steps, prompt, generate)

    def _max_new_tokens(self, request: CompletionRequest) -> int:
        own = self.engine.complete_config.max_new_tokens
        return own if request.max_new_tokens is None else request.max_new_tokens

    def _prompt(self, request: CompletionRequest, skip: frozenset[str]) -> Prompt:
        max_new_tokens = self._max_new_tokens(request)
        room = self.engine.context_length - max_new_tokens - HEALED_TOKENS
        if max_new_tokens < 1 or room < 1:
            raise MidspanError(
                f"max_new_tokens is {max_new_tokens}",
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


def read_ahead(draft: Draft) -> None:
    """Parse what is near the caret while the model generates; the steps will ask for its tree.

    The whole document is parsed only where they find something broken there: it would cost more than all else.
    """
    if draft.language:
        read_document(near_before(draft.prefix), near_behind(draft.suffix), draft.language.name)


def _variant(work: _Work, number: int, limit: TimeLimit) -> GenerateRequest:
    """The generation of candidate `number`: the first as it was asked for, the others sampled, each with its seed."""
    ended = stopper(work.draft, work.steps)
    generate = replace(work.generate, until=lambda text: ended(text) or limit(text))
    if not number:
        return generate
    return replace(
        generate,
        temperature=generate.temperature or CANDIDATE_TEMPERATURE,
        seed=generate.seed + number,
    )


def _suggestion(generation: Generation, pieces: tuple[Delta, ...], work: _Work, limit: TimeLimit) -> Suggestion:
    evidence = work.draft.evidence
    assert evidence is not None
    evidence = replace(evidence, pieces=pieces, stop_reason=generation.stop_reason)
    truncated = generation.stop_reason == "length" or limit.over
    generated = replace(work.draft, text=limit.cut(generation.text), truncated=truncated, evidence=evidence)
    final, reports = run_steps(generated, work.steps)
    logprobs = generation.logprobs
    return Suggestion(
        text=final.text,
        logprob=sum(logprobs) / len(logprobs) if logprobs else 0.0,
        stop_reason=generation.stop_reason,
        prompt_tokens=generation.prompt_tokens,
        cached_tokens=generation.cached_tokens,
        completion_tokens=generation.completion_tokens,
        timings=Timings(generation.prompt_ms, generation.generate_ms, (time.perf_counter() - work.started) * 1_000),
        dropped=final.dropped,
        prompt=work.prompt,
        steps=reports,
        caret=work.caret.value,
        replace=final.replace,
        insertable=final.insertable,
        figures=evidence.figures(final.text),
        confidence=evidence.confidence(final.text),
    )


def _best(candidates: Sequence[Suggestion]) -> Suggestion:
    """The candidate with the highest confidence, those of the others that differ as its alternatives."""
    first, *others = sorted(candidates, key=lambda each: (bool(each.dropped), -each.confidence))
    different = {each.text: each for each in reversed(others) if each.text and each.text != first.text}
    return replace(first, alternatives=tuple(each for each in others if different.get(each.text) is each))


def stopper(draft: Draft, steps: Sequence[Step]) -> Callable[[str], bool]:
    """Asks of a text that grows whether it already holds the end of the suggestion.

    Most steps are asked when a line is whole; those that never change an end once found are asked earlier, when a
    piece has come that can end something, or the first visible one behind such a piece.
    """
    seen = read = 0
    due = False
    stops = [step for step in steps if step.stops]
    early = [step for step in stops if step.stops == "any"]

    def ended(text: str) -> bool:
        nonlocal seen, read, due
        piece, read = text[read:], len(text)
        can_end = not ENDINGS.isdisjoint(piece)
        ask, due = can_end or due, can_end or (due and not piece.strip())
        whole = text.rfind("\n") + 1
        if whole > seen:
            seen = whole
            after, _ = run_steps(replace(draft, text=text[:whole]), stops)
            if len(after.text) < whole:
                return True
        if not ask:
            return False
        after, _ = run_steps(replace(draft, text=text), early)
        return len(after.text) < len(text)

    return ended
