"""The completer with a real model that knows its completions by heart."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_model
from tiny_model import LESSONS, SHAPES, Lesson

from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest, Suggestion
from midspan.context.project import Chunk, File, Project
from midspan.engine.calibration import Calibration
from midspan.engine.open import open_engine
from midspan.errors import MidspanError
from midspan.prompt.build import make_prompt
from midspan.recipe.schema import CompleteConfig


def with_completer(path: Path, use: Callable[[Completer], Awaitable[object]], **options) -> None:
    async def run() -> None:
        engine = await open_engine(str(path), runs=Path("none"), threads=1)
        try:
            await use(Completer(engine, **options))
        finally:
            await engine.close()

    asyncio.run(run())


def request_of(lesson: Lesson, **changes) -> CompletionRequest:
    return replace(CompletionRequest(lesson.path, lesson.prefix, lesson.suffix, lesson.project), **changes)


EXPECTED = {
    "line": "price * count",
    "block": "return width * height",
    "two_lines": "result = a + b\n    return result",
    "healed": "rn value",
    "closers": "2",
    "too_far": "return items[0]",
    "loop": "n = n + 1",
    "context": "width, height",
    "emoji": "é🙂𝔸",
    "nothing": "",
}


def test_suggestions_are_what_belongs_at_the_caret(taught_gguf):
    async def use(completer: Completer) -> None:
        for name, expected in EXPECTED.items():
            lesson = LESSONS[name]
            suggestion = await completer.complete(request_of(lesson))
            assert suggestion.text == expected, (name, suggestion)
            assert bool(suggestion.dropped) == (not expected)
            assert not expected or suggestion.logprob > -0.1
            assert any(step.did for step in suggestion.steps) == (expected != lesson.middle or not expected)
            assert suggestion.timings.total_ms >= suggestion.timings.generate_ms > 0

    with_completer(taught_gguf, use)


def test_prompt_is_the_one_of_training(taught_gguf):
    async def use(completer: Completer) -> None:
        lesson = LESSONS["context"]
        prompt = make_prompt(
            completer.engine.tokenizer,
            completer.engine.format,
            lesson.project,
            path=lesson.path,
            prefix=lesson.prefix,
            suffix=lesson.suffix,
            strategy=tiny_model.CONFIG.strategy,
            config=tiny_model.CONFIG,
        )
        assert (await completer.complete(request_of(lesson))).prompt == prompt

    with_completer(taught_gguf, use)


def test_generation_stops_where_the_suggestion_ends(taught_gguf):
    async def use(completer: Completer) -> None:
        loop = await completer.complete(request_of(LESSONS["loop"], max_new_tokens=200))
        assert loop.stop_reason == "stop"
        far = await completer.complete(request_of(LESSONS["two_lines"], caret="line"))
        assert (far.text, far.stop_reason) == ("result = a + b", "stop")
        size = len(completer.engine.tokenizer.encode("result = a + b\n    return result"))
        short = await completer.complete(request_of(LESSONS["two_lines"], max_new_tokens=size))
        assert (short.text, short.stop_reason) == ("result = a + b", "length")

    with_completer(taught_gguf, use)


def test_stream_ends_with_its_suggestion(taught_gguf):
    async def use(completer: Completer) -> None:
        *deltas, suggestion = [item async for item in completer.stream(request_of(LESSONS["too_far"]))]
        assert isinstance(suggestion, Suggestion)
        assert len(deltas) > 1
        assert "".join(deltas).startswith(suggestion.text)

    with_completer(taught_gguf, use)


def test_typing_along_keeps_the_cache_warm(taught_gguf):
    async def use(completer: Completer) -> None:
        lesson = LESSONS["healed"]
        for typed in ("", "r", "re", "ret"):
            suggestion = await completer.complete(request_of(lesson, prefix="def name(value):\n    " + typed))
        assert suggestion.prompt_tokens - suggestion.cached_tokens <= 2

    with_completer(taught_gguf, use)


@pytest.mark.parametrize("pin", [True, False])
def test_context_stays_while_typing_if_it_is_pinned(taught_gguf, pin):
    calls = {animal: "".join(f"{animal}.call({number})\n" for number in range(150)) for animal in ("cat", "dog")}
    project = Project.of("zoo", [File(f"{animal}.py", text) for animal, text in calls.items()])
    config = tiny_model.CONFIG.model_copy(update={"max_tokens": 500, "strategy": "rag"})

    async def use(completer: Completer) -> None:
        prompts = []
        for prefix in (calls["cat"][:600], calls["cat"][:600] + "\n" + calls["dog"][:200]):
            request = CompletionRequest("zoo.py", prefix, "", project, max_new_tokens=1)
            await asyncio.gather(*(completer.complete(request) for _ in range(3)))
            prompts.append((await completer.complete(request)).prompt)
        shown = [{part.path for part in prompt.parts if part.kind == "context"} for prompt in prompts]
        assert shown == [{"cat.py"}, {"cat.py"} if pin else {"dog.py"}]

    with_completer(taught_gguf, use, config=config, pin=pin)


def test_cancelling_frees_the_engine(taught_gguf):
    async def use(completer: Completer) -> None:
        endless = request_of(LESSONS["endless"], max_new_tokens=800)
        started = time.monotonic()
        assert (await completer.complete(endless)).completion_tokens > 700
        whole = time.monotonic() - started
        # There is one slot: were the work not cancelled, every request would wait for those before it.
        started = time.monotonic()
        for _ in range(20):
            task = asyncio.create_task(completer.complete(endless))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await completer.complete(request_of(LESSONS["block"]))).text == LESSONS["block"].middle
        assert time.monotonic() - started < 10 * whole

    with_completer(taught_gguf, use)


def test_impossible_requests_are_refused_and_nothing_is_logged(taught_gguf, caplog):
    caplog.set_level(logging.DEBUG)

    async def use(completer: Completer) -> None:
        for size in (0, -1, 1024, 5000):
            with pytest.raises(MidspanError, match="max_new_tokens"):
                await completer.complete(request_of(LESSONS["line"], max_new_tokens=size))
        await completer.complete(request_of(LESSONS["line"], prefix="confidential = "))

    with_completer(taught_gguf, use)
    assert "confidential" not in caplog.text


def test_steps_are_switched_off_by_name_and_chunks_are_taken_as_given(taught_gguf):
    async def use(completer: Completer) -> None:
        off = await completer.complete(request_of(LESSONS["closers"], skip=frozenset({"scope", "overlap", "broken"})))
        assert off.text == LESSONS["closers"].middle
        assert not {"scope", "overlap", "broken"} & {step.name for step in off.steps}
        unhealed = await completer.complete(request_of(LESSONS["healed"], skip=frozenset({"healing"})))
        assert not unhealed.prompt.healed
        with pytest.raises(MidspanError, match="no step spell"):
            await completer.complete(request_of(LESSONS["line"], skip=frozenset({"spell"})))
        lesson = LESSONS["context"]
        chunk = Chunk("shapes.py", SHAPES["shapes.py"], 0, 1.0, "sent")
        given = await completer.complete(request_of(lesson, project=None, chunks=(chunk,)))
        assert given.text == EXPECTED["context"]
        assert "sent" in {part.reason for part in given.prompt.parts}

    with_completer(taught_gguf, use)


def test_candidates_are_distinct_best_first_and_the_same_each_time(taught_gguf):
    async def use(completer: Completer) -> None:
        request = request_of(LESSONS["two_lines"], candidates=6, temperature=1.5)
        first, again = await completer.complete(request), await completer.complete(request)
        texts = [first.text, *(each.text for each in first.alternatives)]
        assert texts == [again.text, *(each.text for each in again.alternatives)]
        assert len(set(texts)) == len(texts) and all(texts)
        sure = [first.confidence, *(each.confidence for each in first.alternatives)]
        assert sure == sorted(sure, reverse=True)
        assert (await completer.complete(request_of(LESSONS["line"], candidates=3))).text == EXPECTED["line"]
        with pytest.raises(MidspanError, match="0 candidates"):
            await completer.complete(request_of(LESSONS["line"], candidates=0))

    with_completer(taught_gguf, use)


def test_settings_of_the_model_hold_unless_the_request_says_otherwise(taught_gguf):
    async def use(completer: Completer) -> None:
        engine = completer.engine
        engine.complete_config = CompleteConfig(max_new_tokens=2, min_confidence=0.9, skip=("above",))
        engine.calibration = Calibration(weights=(0.0,) * 6, bias=0.0)
        completer = Completer(engine)
        unsure = await completer.complete(request_of(LESSONS["line"]))
        assert (unsure.dropped, unsure.text) == ("confidence 0.50 is below 0.90", "")
        assert "above" not in {step.name for step in unsure.steps}
        shown = await completer.complete(request_of(LESSONS["line"], min_confidence=0.4, max_new_tokens=20))
        assert (shown.text, shown.confidence) == (EXPECTED["line"], 0.5)

    with_completer(taught_gguf, use)
